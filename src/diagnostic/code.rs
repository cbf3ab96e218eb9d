//! Every diagnostic code, in one table: its number, weight and title.
//!
//! The long text behind `outpost-bp explain CODE` is the page `docs/diagnostics/CODE.md`, compiled
//! in; a code without a page does not build. Numbers are never used again for something else.

use super::Severity;

macro_rules! codes {
    ($($name:ident $number:literal $severity:ident $title:literal;)*) => {
        /// The kind of a diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($name),* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name users see and may search for, such as `BP201`.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => $number),* }
            }

            /// What the code weighs unless `--strict` raises it.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// The code in half a line.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// The page of the manual about this code.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../docs/diagnostics/", $number, ".md"))),*
                }
            }

            /// The code with this number, in any case: `BP201`, `bp201`.
            pub fn find(number: &str) -> Option<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|code| code.number().eq_ignore_ascii_case(number))
            }
        }
    };
}

codes! {
    // The text of the document.
    Unreadable          "BP001" Error   "the file cannot be read as a document";
    UnclosedFence       "BP002" Error   "a fence is never closed";
    YamlSyntax          "BP003" Error   "YAML that does not parse";
    DuplicateKey        "BP004" Error   "a key is written twice";
    TooDeep             "BP005" Error   "values are nested too deep";
    AliasExpansion      "BP006" Error   "aliases expand to too much";
    UntaggedTask        "BP007" Warning "a task in a fence that is not marked `yaml`";
    NoTasks             "BP008" Error   "the document has no task";
    MetadataMissing     "BP009" Warning "the metadata block is missing or incomplete";
    ChecksumMismatch    "BP010" Error   "the checksum does not fit the document";
    HeadingMismatch     "BP011" Error   "a heading or marker names another task";
    MetadataMismatch    "BP012" Warning "the metadata contradicts the document";
    // Fields of a block.
    TooManyTasks        "BP013" Error   "the document has more tasks than are read";
    UnknownKey          "BP101" Warning "a key the format does not know";
    MissingField        "BP102" Error   "a field that must be there is missing";
    StrictField         "BP103" Warning "a field that strict BSF 2.0 requires is missing";
    WrongType           "BP104" Error   "a value of the wrong type";
    UnknownWord         "BP105" Error   "a word that is not one of the choices";
    BadDuration         "BP106" Error   "a duration that is not ISO 8601";
    BadId               "BP107" Error   "a task id that cannot be used";
    DuplicateTask       "BP108" Error   "two tasks have the same id";
    BadNumber           "BP109" Error   "a number out of range";
    BadCapability       "BP110" Error   "a capability that cannot be understood";
    EmptyValue          "BP111" Error   "a value that must not be empty";
    TrivialVerification "BP112" Warning "a verification that cannot fail";
    TwoVerifications    "BP113" Warning "both `verification` and `test_command`";
    NoVerification      "BP114" Error   "nothing shows that the task is done";
    LegacySpelling      "BP115" Warning "a v1 spelling in a v2 document";
    NoEffect            "BP116" Warning "a key that has no effect";
    UnknownPortType     "BP117" Warning "a port type that looks misspelt";
    BadHandoff          "BP118" Error   "a hand-off block that contradicts itself";
    BadOutput           "BP119" Error   "an output block that contradicts itself";
    Unsupported         "BP120" Error   "something the format allows and this executor refuses";
    ImpassableGate      "BP121" Error   "a gate that nobody can pass";
    BadNotice           "BP122" Error   "a notification that cannot work";
    // References between tasks.
    UnknownTask         "BP201" Error   "a reference to a task that does not exist";
    Cycle               "BP202" Error   "tasks that wait for each other";
    GraphMismatch       "BP203" Error   "the authored dependency graph disagrees with the tasks";
    RepeatedDependency  "BP204" Warning "a dependency is listed twice";
    SharedFile          "BP205" Warning "tasks that may run at once write the same file";
    UnknownPort         "BP206" Error   "a port the source does not have";
    IncompatibleType    "BP207" Error   "a binding whose types do not fit";
    UnknownSourceSchema "BP208" Warning "a binding that cannot be checked before the run";
    BadTransform        "BP209" Error   "an expression that is not jq";
    BadSchema           "BP210" Error   "a JSON Schema that is not one";
    // The execution block.
    UnknownLock         "BP301" Error   "a lock that is not declared";
    DuplicateLock       "BP302" Error   "a lock is declared twice";
    LockMode            "BP303" Warning "a lock used in another way than declared";
    UnknownExecutor     "BP304" Warning "an executor that looks misspelt";
    DuplicateExecution  "BP305" Error   "a second execution block";
    LockContradiction   "BP306" Error   "a lock that is both exclusive and shared";
    BadSite             "BP307" Error   "work that cannot be done where it should be";
    UnseenLanding       "BP308" Warning "a task that does not see what another one lands";
    IdleCommand         "BP309" Error   "a command that nobody carries out";
    // Variables and secrets.
    UnknownVariable     "BP401" Error   "a variable that does not exist";
    MalformedVariable   "BP402" Error   "a variable that never ends";
    CircularVariable    "BP403" Error   "a variable that needs itself";
    BadSecretReference  "BP404" Error   "a secret reference that cannot be understood";
    LiteralSecret       "BP405" Warning "a literal that looks like a live credential";
    ShellInPath         "BP406" Warning "shell syntax in a path is not expanded";
    QuotedSecret        "BP407" Warning "a secret where the shell replaces nothing";
    // Scenarios of `outpost-bp test`.
    BadScenario         "BP501" Error   "a scenario that does not fit its blueprint";
    NotAsExpected       "BP502" Error   "a run that went otherwise than a scenario expects";
}
