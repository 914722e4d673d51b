//! One virtual router, sans-IO.
