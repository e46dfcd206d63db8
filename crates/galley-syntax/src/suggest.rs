//! "Did you mean": the nearest of a list of known names.

/// The edit distance of two words (Levenshtein with swaps of neighbours counted as one), without regard to ASCII case.
///
/// Words longer than 64 characters are not compared: the answer is then `usize::MAX`, unless they are equal.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    if a.eq_ignore_ascii_case(b) {
        return 0;
    }
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let a: Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut last_b = None;
        let mut left = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let up = previous.get(j + 1).copied().unwrap_or(usize::MAX);
            let diagonal = previous.get(j).copied().unwrap_or(usize::MAX);
            let mut best = (left + 1).min(up + 1).min(diagonal + usize::from(ca != cb));
            if last_a == Some(cb) && last_b == Some(ca) {
                best = best.min(j.checked_sub(1).and_then(|k| before.get(k)).map_or(best, |swap| swap + 1));
            }
            row.push(best);
            left = best;
            last_b = Some(cb);
        }
        before = std::mem::replace(&mut previous, row);
        last_a = Some(ca);
    }
    previous.last().copied().unwrap_or(a.len())
}

/// The nearest of `known` to `word`, where one is near enough to be a slip of the keyboard: at most a third of the
/// word's length away, and at least one edit is always allowed.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The sentence for a diagnostic's help: "did you mean `x`?".
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("did you mean `{name}`?"))
}
