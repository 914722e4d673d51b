//! A sentence for every mistake.
