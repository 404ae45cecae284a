//! quorate-core
