//! Field tables of the configuration: for each object of `gateway.yaml` one list of its fields, with
//! key, type, default and description. The readers in this module, the field reference in
//! `docs/configuration.md` and the JSON Schema that `attache schema` prints use the same tables.

use std::fmt;

/// Declares the table of one object. The doc comment of a field is its description; WebAssembly has
/// no use for descriptions, so they are compiled into native programs only.
macro_rules! object_table {
    (
        $(#[doc = $about:literal])*
        $visibility:vis static $TABLE:ident = $name:literal {
            $($(#[doc = $description:literal])* $key:literal: $value_type:expr, $presence:expr;)*
        }
    ) => {
        $(#[doc = $about])*
        $visibility static $TABLE: $crate::config::table::ObjectTable =
            $crate::config::table::ObjectTable {
                #[cfg(not(target_family = "wasm"))]
                name: $name,
                #[cfg(not(target_family = "wasm"))]
                description: concat!($($about),*),
                fields: &[$($crate::config::table::Field {
                    key: $key,
                    value_type: $value_type,
                    presence: $presence,
                    #[cfg(not(target_family = "wasm"))]
                    description: concat!($($description),*),
                }),*],
            };
    };
}
pub(crate) use object_table;

/// Table of one object: the keys that its entries may have.
#[derive(Debug)]
pub struct ObjectTable {
    /// Name of the object in the field reference and in the JSON Schema.
    #[cfg(not(target_family = "wasm"))]
    pub name: &'static str,
    /// Description of the object, in Markdown.
    #[cfg(not(target_family = "wasm"))]
    pub description: &'static str,
    /// Fields, in the order in which messages list them.
    pub fields: &'static [Field],
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// Key in the file.
    pub key: &'static str,
    /// Type of its value.
    pub value_type: ValueType,
    /// Default, or that there is none.
    pub presence: Presence,
    /// Description, in Markdown.
    #[cfg(not(target_family = "wasm"))]
    pub description: &'static str,
}

/// Type of a field's value.
#[derive(Clone, Copy)]
pub enum ValueType {
    /// `true` or `false`.
    Flag,
    /// Text that is not empty.
    Text,
    /// Path of a file, relative to the directory of the configuration file.
    Path,
    /// IPv4 or IPv6 address.
    IpAddress,
    /// URL of a provider or service, with or without a path.
    Url,
    /// URL without a path.
    Origin,
    /// Duration from `1ms` to `24h`, such as `500ms`.
    Duration,
    /// Date, `YYYY-MM-DD`.
    Date,
    /// Text that consists of letters, digits and `-_.:@/`.
    UpstreamName,
    /// Name of an entry in a top-level object.
    Name(&'static str),
    /// Object that maps names of the operator's choice to names of entries in a top-level object.
    Names(&'static str),
    /// Whole number within bounds, both included.
    Number {
        /// Smallest value.
        least: u32,
        /// Largest value.
        most: u32,
    },
    /// Number within bounds, both included.
    Decimal {
        /// Smallest value.
        least: f64,
        /// Largest value.
        most: f64,
    },
    /// Whole number, or `unlimited`.
    Rate {
        /// Smallest number.
        least: u32,
    },
    /// One of several words. See [`word`].
    Word(Vocabulary),
    /// List of distinct words. See [`words`].
    Words(Vocabulary),
    /// List of values of one type.
    List(&'static ValueType),
    /// Object with the fields of a table.
    Object(&'static ObjectTable),
    /// Object with the fields of a table, or a list of such objects.
    OneOrMore(&'static ObjectTable),
    /// Object that maps names of the operator's choice to objects with the fields of a table.
    Entries(&'static ObjectTable),
    /// Object that maps names of models to objects with the fields of a table.
    ByModel(&'static ObjectTable),
}

/// Words that a field accepts, for documents. Readers have the words with their meanings.
#[derive(Clone, Copy)]
pub struct Vocabulary(#[cfg(not(target_family = "wasm"))] pub fn() -> Vec<&'static str>);

/// Text for documents only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocText(#[cfg(not(target_family = "wasm"))] pub &'static str);

/// Returns the type of one of several words.
pub const fn word(words: fn() -> Vec<&'static str>) -> ValueType {
    ValueType::Word(vocabulary(words))
}

/// Returns the type of a list of distinct words.
pub const fn words(words: fn() -> Vec<&'static str>) -> ValueType {
    ValueType::Words(vocabulary(words))
}

#[cfg(not(target_family = "wasm"))]
const fn vocabulary(words: fn() -> Vec<&'static str>) -> Vocabulary {
    Vocabulary(words)
}

#[cfg(target_family = "wasm")]
const fn vocabulary(_: fn() -> Vec<&'static str>) -> Vocabulary {
    Vocabulary()
}

#[cfg(not(target_family = "wasm"))]
const fn doc_text(text: &'static str) -> DocText {
    DocText(text)
}

#[cfg(target_family = "wasm")]
const fn doc_text(_: &'static str) -> DocText {
    DocText()
}

impl ValueType {
    /// Whole number of at least 1.
    pub const POSITIVE: Self = Self::Number { least: 1, most: u32::MAX };

    /// Table of the objects that a value of this type is or contains.
    pub fn table(self) -> Option<&'static ObjectTable> {
        match self {
            Self::Object(table)
            | Self::OneOrMore(table)
            | Self::Entries(table)
            | Self::ByModel(table) => Some(table),
            _ => None,
        }
    }
}

// The tables refer to each other, so the derived text of one would contain many.
impl fmt::Debug for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueType")
    }
}

/// Default of a field, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The field must be present. See [`required`].
    Required(&'static str),
    /// The field must be present. See [`required_name`].
    RequiredName,
    /// The field must be present, from the operator or from the model catalogue. See
    /// [`from_catalogue`].
    FromCatalogue(&'static str),
    /// The field must be present unless another field is. See [`required_unless`].
    RequiredUnless(DocText),
    /// The field may be absent and has a default. See [`defaults_to`].
    Default(&'static str),
    /// The field may be absent and has no default. See [`optional`].
    Optional(DocText),
}

/// Returns the presence of a field that must be present. `allowed` completes the message
/// `missing, allowed: …`.
pub const fn required(allowed: &'static str) -> Presence {
    Presence::Required(allowed)
}

/// Returns the presence of a field that must be present and is a name. The reader reports a missing
/// one, for only the reader knows the names.
pub const fn required_name() -> Presence {
    Presence::RequiredName
}

/// Returns the presence of a field that must be present once the command has completed the entry from
/// the model catalogue. `allowed` completes the message `missing, allowed: …`.
pub const fn from_catalogue(allowed: &'static str) -> Presence {
    Presence::FromCatalogue(allowed)
}

/// Returns the presence of a field that must be present unless the field `other` is.
pub const fn required_unless(other: &'static str) -> Presence {
    Presence::RequiredUnless(doc_text(other))
}

/// Returns the presence of a field with a default, which is written as an operator would write it.
pub const fn defaults_to(literal: &'static str) -> Presence {
    Presence::Default(literal)
}

/// Returns the presence of a field without a default. `meaning` tells readers of the documents what
/// applies when the field is absent.
pub const fn optional(meaning: &'static str) -> Presence {
    Presence::Optional(doc_text(meaning))
}

impl ObjectTable {
    /// Returns the field with a key.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Returns the default of a field, as an operator would write it.
    pub fn default_of(&self, key: &str) -> Option<&'static str> {
        match self.field(key)?.presence {
            Presence::Default(literal) => Some(literal),
            _ => None,
        }
    }

    /// Returns this table and those of all objects in it, each once.
    pub fn with_nested(&'static self) -> Vec<&'static ObjectTable> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(table) = found.get(next).copied() {
            let nested = table.fields.iter().filter_map(|field| field.value_type.table());
            for table in nested {
                if !found.iter().any(|known| std::ptr::eq(*known, table)) {
                    found.push(table);
                }
            }
            next += 1;
        }
        found
    }
}

/// Returns the words of pairs of word and meaning.
pub fn words_of<T>(pairs: &[(&'static str, T)]) -> Vec<&'static str> {
    pairs.iter().map(|(word, _)| *word).collect()
}
