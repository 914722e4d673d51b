//! What may be seen from outside.
