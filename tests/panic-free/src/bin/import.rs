//! A keepalived.conf, from its bytes to UCI, with everything that is said about it.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::hint::black_box;

use vipd::config::Config;
use vipd::config::uci::Document;
use vipd::import::{Importer, Library, Missing, Name};

static mut DOCUMENT: Document = Document::new();
static mut CONFIG: Config = Config::new();
static mut IMPORTER: Importer = Importer::new();

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        black_box(text);
        Ok(())
    }
}

/// Every file has the same bytes, if there is one.
struct Files<'a>(&'a [u8]);

impl Library for Files<'_> {
    fn open(
        &mut self,
        base: &[u8],
        pattern: &[u8],
        after: &[u8],
        name: &mut Name,
        buffer: &mut [u8],
    ) -> Result<usize, Missing> {
        black_box((base, pattern, after));
        let _ = name.extend_from_slice(pattern);
        for (place, byte) in buffer.iter_mut().zip(self.0) {
            *place = *byte;
        }
        black_box(Ok(self.0.len()))
    }
}

panic_free::prove!(|bytes| {
    // SAFETY: there is one thread, and this is called once.
    let (importer, document, config) =
        unsafe { (&mut *&raw mut IMPORTER, &mut *&raw mut DOCUMENT, &mut *&raw mut CONFIG) };
    let left = importer.import(
        black_box(b"keepalived.conf"),
        black_box(bytes),
        &mut Files(bytes),
        (document, config),
        &mut |notice| {
            let _ = write!(Nowhere, "{notice}");
        },
    );
    black_box((left, importer.text()));
});
