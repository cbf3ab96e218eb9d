//! The layouts of secrets that an installation does not have unless it asks: the same suite over each.

/// What is promised of a vault, for one layout.
macro_rules! suite {
    ($name:ident, $layout:ident) => {
        mod $name {
            use outpost_core::conformance::Case;

            fn with(case: Case) {
                crate::suites::with_layout(outpost_aws::Layout::$layout, case);
            }

            outpost_core::conformance! { with =>
                a_secret_comes_back_and_goes secrets_changed_at_once_are_all_there notes_tell_little
                secrets_stay_with_their_tenant secrets_are_nowhere_in_clear
            }
        }
    };
}

suite!(bundle, Bundle);
suite!(per_key, PerKey);
