//! What must hold: one promise a file, and the table of all of them.
