//! Prints what a macro has written.

fn main() {
    println!("{}", answer_macro::answer!());
}
