//! What clients saw: every call with its beginning, its end and its outcome; and how a history is judged.
