//! Documents close to the edges of the grammar, good and bad, by a seed.

use fastrand::Rng;

/// Around the sizes that libuci's buffers grow through, and far beyond.
const LONG: [usize; 6] = [14, 30, 62, 126, 254, 2000];

/// The document of a seed: statements, of which some are spoilt.
pub fn document(seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let care = [1, 8, 8, 40][rng.usize(0..4)];
    let mut hand = Hand { rng, care, text: Vec::new() };
    if hand.rng.u8(0..16) != 0 {
        hand.put(b"config foo bar\n");
    }
    for _ in 0..hand.rng.usize(0..10) {
        hand.statement();
    }
    for _ in 0..[0, 0, 0, 0, 0, 1, 2, 6][hand.rng.usize(0..8)] {
        hand.spoil();
    }
    hand.text
}

/// Who writes the document.
struct Hand {
    rng: Rng,
    /// How seldom it does what is seldom done.
    care: usize,
    text: Vec<u8>,
}

type Word = fn(&mut Hand);
const NAME: Word = Hand::name;
const KIND: Word = Hand::kind;
const VALUE: Word = Hand::value;

impl Hand {
    fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// One of `usual`, or, at one time of `one_of` times the care, one of `seldom`.
    fn pick(&mut self, usual: &[&[u8]], seldom: &[&[u8]], one_of: usize) {
        let pieces = if self.rng.usize(0..one_of * self.care) == 0 { seldom } else { usual };
        let piece = pieces[self.rng.usize(0..pieces.len())];
        self.put(piece);
    }

    fn statement(&mut self) {
        self.pick(&[b"", b"\t", b"  ", b" \x0b\x0c\r "], &[b"\\\n", b"\0", b";"], 24);
        match self.rng.u8(0..64) {
            0 | 1 => self.pick(&[b"#x", b"# config a b", b"#'\\", b"#\"", b"#;\r"], &[b";#"], 8),
            2 => self.pick(
                &[b"", b"\r"],
                &[
                    b"optoin a b",
                    b"'config' a",
                    b"\xef\xbb\xbfconfig a",
                    b"Config a b",
                    b"c",
                    b"list",
                    b"config",
                    b"option a",
                ],
                1,
            ),
            3 => {}
            4 => self.words(b"package", &[NAME]),
            5 => self.words(b"p", &[NAME]),
            6..=17 => self.words(b"config", &[KIND, NAME]),
            18 | 19 => self.words(b"c", &[KIND, NAME]),
            20 | 21 => self.words(b"o", &[NAME, VALUE]),
            22 | 23 => self.words(b"l", &[NAME, VALUE]),
            24..=33 => self.words(b"list", &[NAME, VALUE]),
            _ => self.words(b"option", &[NAME, VALUE]),
        }
        self.pick(
            &[b"\n", b"\n", b"\n", b"\r\n", b" # x\n", b"\t\n", b"#x\n", b" ; ", b"; ", b"\\\n\n"],
            &[b" ;\n", b";", b";\n", b" \\\n", b"\\\n", b"\r", b"", b"\\\r\n", b" ;; "],
            6,
        );
    }

    /// A keyword and its words; sometimes one too few or too many.
    fn words(&mut self, keyword: &[u8], words: &[Word]) {
        self.put(keyword);
        let wrong = self.rng.usize(0..8 * self.care);
        let len = match wrong {
            0 => words.len() + 1,
            1 | 2 => words.len() - 1,
            _ => words.len(),
        };
        for position in 0..len {
            let between: &[&[u8]] = &[b"\x0b", b"\r", b"\\\n", b"\\\r\n", b"", b" ;", b" \\\n\t"];
            self.pick(&[b" ", b"\t", b"  ", b" \\\n"], between, 20);
            words.get(position).copied().unwrap_or(VALUE)(self);
        }
    }

    fn name(&mut self) {
        let usual: &[&[u8]] = &[
            b"a", b"b", b"c", b"foo", b"bar", b"option", b"123", b"a_b", b"'a'", b"\"b\"", b"\\a", b"b\\\n",
            b"'s't",
        ];
        let seldom: &[&[u8]] = &[
            b"''",
            b"\"\"",
            b"a-b",
            b"a.b",
            b"'a b'",
            b"cfg017389",
            b"cfg027389",
            b"\xc3\xa4",
            b"#",
            b"''\\\n",
        ];
        self.pick(usual, seldom, 8);
    }

    fn kind(&mut self) {
        let usual: &[&[u8]] = &[b"foo", b"foo", b"foo", b"foo", b"f-o.bar", b"'foo'", b"\"f#;'\"", b"f\\#"];
        let seldom: &[&[u8]] = &[b"''", b"'foo bar'", b"f\xc3\xbcr", b"f\x7f", b"c", b"f;", b"zz", b"f\\\n"];
        self.pick(usual, seldom, 6);
    }

    /// Parts one after another: plain, escaped, in either kind of quotes.
    fn value(&mut self) {
        for _ in 0..[1, 1, 1, 1, 2, 3, 4][self.rng.usize(0..7)] {
            match self.rng.u8(0..8) {
                0 | 1 => {
                    let pieces: [&[u8]; 10] =
                        [b"x", b" ", b"#", b";", b"\"", b"\\", b"\n", b"\\\n", b"\t", b"\r"];
                    self.quoted(b"'", &pieces);
                }
                2 | 3 => {
                    let pieces: [&[u8]; 12] = [
                        b"x", b" ", b"#", b";", b"'", b"\\\\", b"\\\"", b"\n", b"\\\n", b"\\\r\n", b"\\\r",
                        b"\\n",
                    ];
                    self.quoted(b"\"", &pieces);
                }
                4 => self.pick(
                    &[b"\\'", b"\\\"", b"\\ ", b"\\;", b"\\#", b"\\\\", b"\\\t", b"\\\r", b"\\\r\n", b"\\\n"],
                    &[b"\\\n ", b"\\\n\n", b"\\"],
                    4,
                ),
                5 => self.pick(
                    &[b"192.168.0.1/24", b"\xc3\xa4", b"\x01", b"\xff", b"b#c", b"b;c", b"''", b"\"\""],
                    &[b"'", b"\"", b";"],
                    8,
                ),
                _ => self.put(b"x"),
            }
        }
        if self.rng.u8(0..60) == 0 {
            let len = LONG[self.rng.usize(0..LONG.len())] + self.rng.usize(0..4);
            self.text.extend(core::iter::repeat_n(b'y', len));
        }
    }

    fn quoted(&mut self, quote: &[u8], pieces: &[&[u8]]) {
        self.put(quote);
        for _ in 0..self.rng.usize(0..4) {
            let piece = pieces[self.rng.usize(0..pieces.len())];
            self.put(piece);
        }
        self.put(quote);
    }

    /// One change of the kind that an editor, a full disk or a bad copy makes.
    fn spoil(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let at = self.rng.usize(0..self.text.len());
        let edges = b"'\"\\#; \t\r\n\0\x0b\x80ao";
        let byte = edges[self.rng.usize(0..edges.len())];
        match self.rng.u8(0..12) {
            0..=4 => self.text.insert(at, byte),
            5..=7 => self.text[at] = byte,
            8 | 9 => drop(self.text.remove(at)),
            10 => self.text.truncate(at),
            _ => {
                let end = self.text.len().min(at + self.rng.usize(1..20));
                let again = self.text[at..end].to_vec();
                self.text.splice(at..at, again);
            }
        }
    }
}
