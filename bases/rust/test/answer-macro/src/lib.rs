//! A macro that writes the answer into a program.

/// Stands for `42`.
#[proc_macro]
pub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "42".parse().expect("a number is a token")
}
