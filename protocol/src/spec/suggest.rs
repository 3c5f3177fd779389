//! Did you mean …?

/// Longer words are not compared; nobody mistypes them and the comparison is quadratic.
const MAX_WORD_BYTES: usize = 64;

/// The known word nearest to `word`, if one is near enough to have been meant.
pub fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let lower = word.to_lowercase();
    let distances = known.iter().map(|&candidate| (distance(&lower, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.chars().count() / 4).then_some(candidate)
}

/// Insertions, deletions, substitutions and exchanges of neighbours that turn one word into the other (optimal string
/// alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let substituted = above[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = substituted.min(row[j - 1] + 1).min(above[j] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["Name", "Namespace", "Constraints"];
        assert_eq!(closest("constraint", &known), Some("Constraints"));
        assert_eq!(closest("nmae", &known), Some("Name"));
        assert_eq!(closest("jbo", &["job", "node"]), Some("job"));
        assert_eq!(closest("Image", &known), None);
        assert_eq!(closest("x", &[]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
