//! libuci's grammar.
