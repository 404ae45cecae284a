//! quorate-chaos
