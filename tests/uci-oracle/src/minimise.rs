//! The smallest document that still shows what a document shows.

/// Takes bytes away, and makes those that are left plain, as long as `shows` stays true.
pub fn minimise(text: &[u8], shows: &mut dyn FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut text = text.to_vec();
    loop {
        let before = text.clone();
        let mut len = text.len().div_ceil(2).max(1);
        loop {
            take_away(&mut text, len, shows);
            if len == 1 {
                break;
            }
            len = len.div_ceil(2);
        }
        make_plain(&mut text, shows);
        if text == before {
            return text;
        }
    }
}

fn take_away(text: &mut Vec<u8>, len: usize, shows: &mut dyn FnMut(&[u8]) -> bool) {
    let mut at = 0;
    while at < text.len() {
        let mut shorter = text.clone();
        shorter.drain(at..text.len().min(at + len));
        if shows(&shorter) {
            *text = shorter;
        } else {
            at += len;
        }
    }
}

fn make_plain(text: &mut [u8], shows: &mut dyn FnMut(&[u8]) -> bool) {
    for at in 0..text.len() {
        for plain in [b'a', b' '] {
            let was = text[at];
            if was == plain {
                break;
            }
            text[at] = plain;
            if shows(text) {
                break;
            }
            text[at] = was;
        }
    }
}
