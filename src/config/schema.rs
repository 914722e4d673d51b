//! The meaning of the words.
