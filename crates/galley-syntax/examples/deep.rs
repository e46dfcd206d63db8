//! scratch
fn main() {
    let openings = [
        "(", "$(", "{ ", "if ", "! ", "`", "case x in ", "((", "f() ", "a&&", "a|", "$((", "<(", "\"$(", "while ",
        "for x in y; do ", "[[ (", "${a:-", "x=(", "f() { ", "<<A ", "if (", "( { ", "a && (",
    ];
    for opening in openings {
        for count in [8, 10, 20, 40, 63] {
            let text = opening.repeat(count);
            let t = std::time::Instant::now();
            let _ = galley_syntax::shell::RunBody::parse(galley_syntax::SourceText::synthetic(text, galley_syntax::Span::default()));
            print!("{opening}x{count} {:?}; ", t.elapsed());
        }
        println!();
    }
}
