//! A panic anywhere in the product is a broken promise, though the runtime would catch it and the node go on without one of its tasks.

use std::sync::Once;

use parking_lot::Mutex;

static HEARD: Mutex<Option<String>> = Mutex::new(None);
static LISTENING: Once = Once::new();

/// From now on panics are noted instead of printed. A process runs one seed, so the note is that seed's.
pub fn listen_for_panics() {
    LISTENING.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            HEARD.lock().get_or_insert_with(|| panic.to_string());
        }));
    });
}

/// The first panic, if there was one.
pub(super) fn heard() -> Option<String> {
    HEARD.lock().clone()
}
