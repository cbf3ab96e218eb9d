//! Characters of the document, or some that were made of them.
//!
//! It says what a `Cow` says, in two words instead of three: a document of 100,000 tasks has two million of
//! these, and nearly all of them are the document's own characters.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A piece of text.
#[derive(Clone)]
pub struct Excerpt<'s>(Kept<'s>);

#[derive(Clone)]
enum Kept<'s> {
    Own(&'s str),
    /// A box of a box is one word, which fits where the other kind has its length.
    Made(Box<Box<str>>),
}

impl Excerpt<'_> {
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Own(text) => text,
            Kept::Made(text) => text,
        }
    }

    /// Cuts the tie to the document.
    pub fn into_owned(self) -> Excerpt<'static> {
        Excerpt(Kept::Made(match self.0 {
            Kept::Own(text) => Box::new(text.into()),
            Kept::Made(text) => text,
        }))
    }
}

impl Default for Excerpt<'_> {
    fn default() -> Self {
        Self::from("")
    }
}

impl<'s> From<&'s str> for Excerpt<'s> {
    fn from(text: &'s str) -> Self {
        Self(Kept::Own(text))
    }
}

impl From<String> for Excerpt<'_> {
    fn from(text: String) -> Self {
        Self(Kept::Made(Box::new(text.into_boxed_str())))
    }
}

impl<'s> From<Cow<'s, str>> for Excerpt<'s> {
    fn from(text: Cow<'s, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

impl Deref for Excerpt<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Excerpt<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Excerpt<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Excerpt<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Excerpt<'_> {}

impl PartialEq<str> for Excerpt<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Excerpt<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl Hash for Excerpt<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        str::hash(self, state);
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Excerpt;

    #[test]
    fn an_excerpt_takes_two_words() {
        assert_eq!(size_of::<Excerpt<'_>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn what_was_made_is_as_good_as_what_was_written() {
        let made = Excerpt::from(format!("{}b", 'a'));
        let read = Excerpt::from("ab");
        assert!(made == read && made == "ab" && read.into_owned() == made);
        assert_eq!(format!("{made} {made:?}"), "ab \"ab\"");
    }
}
