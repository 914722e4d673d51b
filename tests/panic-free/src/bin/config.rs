//! A configuration file, from its bytes to a checked configuration, with every sentence about what is wrong.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::hint::black_box;

use vipd::config::Config;
use vipd::config::schema;
use vipd::config::uci::Document;

static mut DOCUMENT: Document = Document::new();
static mut CONFIG: Config = Config::new();

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        black_box(text);
        Ok(())
    }
}

panic_free::prove!(|bytes| {
    // SAFETY: there is one thread, and this is called once.
    let (document, config) = unsafe { (&mut *&raw mut DOCUMENT, &mut *&raw mut CONFIG) };
    for (place, byte) in document.buffer().iter_mut().zip(bytes) {
        *place = *byte;
    }
    if let Err(error) = document.parse(black_box(bytes.len())) {
        let _ = write!(Nowhere, "{}", error.problem());
        return;
    }
    let is_usable = schema::read(document, black_box(&[]), config, &mut |problem| {
        let _ = write!(Nowhere, "{problem}");
    });
    black_box(is_usable);
});
