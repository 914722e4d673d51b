//! What a reader makes of a document.

/// Accepted, with its sections in order, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Accepted(Vec<Section>),
    Refused { line: u32, reason: String },
}

/// A section, by the name that libuci gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Section {
    pub name: Vec<u8>,
    pub kind: Vec<u8>,
    pub is_anonymous: bool,
    pub options: Vec<Option>,
}

/// An option of a section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Option {
    pub name: Vec<u8>,
    pub value: Value,
}

/// Its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    One(Vec<u8>),
    List(Vec<Vec<u8>>),
}
