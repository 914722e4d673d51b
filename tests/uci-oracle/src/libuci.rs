//! libuci's answer.

use core::ffi::c_char;
use core::slice;

use crate::answer::{Answer, Option, Section, Value};

unsafe extern "C" {
    fn oracle_ask(text: *mut c_char, len: usize, answer_len: *mut usize) -> *mut c_char;
    fn oracle_free(answer: *mut c_char);
}

/// Asks libuci, in strict mode, as it loads a file.
pub fn ask(text: &[u8]) -> Answer {
    let mut copy = text.to_vec();
    let mut len = 0;
    // SAFETY: `copy` and `len` outlive the call, and `oracle_ask` (`answer.c`) reads no more than the bytes given.
    let answer = unsafe { oracle_ask(copy.as_mut_ptr().cast(), copy.len(), &raw mut len) };
    assert!(!answer.is_null());
    // SAFETY: the answer has `len` bytes, and stays until it is freed below.
    let read = read(unsafe { slice::from_raw_parts(answer.cast::<u8>(), len) });
    // SAFETY: it came from `oracle_ask`, and nothing points into it any more.
    unsafe { oracle_free(answer) };
    read
}

fn read(answer: &[u8]) -> Answer {
    let mut words = answer.split(|byte| *byte == 0).map(<[u8]>::to_vec).peekable();
    let mut next = || words.next().expect("a whole answer");
    match &next()[..] {
        b"+" => {}
        b"-" => {
            let line = String::from_utf8(next()).unwrap().parse().unwrap();
            return Answer::Refused { line, reason: String::from_utf8(next()).unwrap() };
        }
        _ => panic!("libuci says {}", String::from_utf8_lossy(&next())),
    }
    let mut sections: Vec<Section> = Vec::new();
    loop {
        let word = next();
        let options = sections.last_mut().map(|section| &mut section.options);
        match (&word[..], options) {
            (b"s", _) => {
                let (kind, name) = (next(), next());
                let is_anonymous = next() == b"a";
                sections.push(Section { name, kind, is_anonymous, options: Vec::new() });
            }
            (b"o", Some(options)) => {
                options.push(Option { name: next(), value: Value::One(next()) });
            }
            (b"l", Some(options)) => options.push(Option { name: next(), value: Value::List(Vec::new()) }),
            (b"i", Some(options)) => match options.last_mut().map(|option| &mut option.value) {
                Some(Value::List(items)) => items.push(next()),
                Some(Value::One(_)) | None => panic!("an item without a list"),
            },
            // What follows the last zero byte.
            (b"", _) => return Answer::Accepted(sections),
            (_, _) => panic!("an answer of {}", String::from_utf8_lossy(answer)),
        }
    }
}
