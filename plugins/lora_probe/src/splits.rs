//! Balanced splits of tokens, over tokens or over groups of them.

use emhost_stats::random::Rng;
use emhost_stats::splits::Split;

/// Draws equally many tokens of both classes, and sets `share` of each class aside; none where a part would be empty.
///
/// Tokens of one answer come into both parts, as published.
pub fn by_token(labels: &[bool], share: f64, rng: &mut Rng) -> Option<Split> {
    let [mut negative, mut positive] = classes(0..labels.len(), labels);
    let size = balance(&mut negative, &mut positive, rng);
    let test = aside(size, share)?;
    let mut split = Split { train: Vec::new(), test: Vec::new() };
    for class in [negative, positive] {
        split.test.extend_from_slice(&class[..test]);
        split.train.extend_from_slice(&class[test..]);
    }
    Some(sorted(split))
}

/// Sets `share` of the groups of each class aside, then draws equally many tokens of both classes within each part; none
/// where a part would lack a class. A group's class is that of most of its tokens.
pub fn by_group(labels: &[bool], groups: &[usize], share: f64, rng: &mut Rng) -> Option<Split> {
    let mut votes = vec![[0_usize; 2]; groups.iter().max()? + 1];
    labels.iter().zip(groups).for_each(|(label, &group)| votes[group][usize::from(*label)] += 1);
    let mut in_test = vec![false; votes.len()];
    for class in [false, true] {
        let of_class = |group: &usize| votes[*group] != [0, 0] && (votes[*group][1] > votes[*group][0]) == class;
        let mut members: Vec<usize> = (0..votes.len()).filter(of_class).collect();
        rng.shuffle(&mut members);
        members[..aside(members.len(), share)?].iter().for_each(|&group| in_test[group] = true);
    }
    let mut part = |test: bool| -> Option<Vec<usize>> {
        let tokens = (0..labels.len()).filter(|&token| in_test[groups[token]] == test);
        let [mut negative, mut positive] = classes(tokens, labels);
        (balance(&mut negative, &mut positive, rng) > 0).then(|| [negative, positive].concat())
    };
    Some(sorted(Split { train: part(false)?, test: part(true)? }))
}

/// Tokens labelled false, and those labelled true.
fn classes(tokens: impl Iterator<Item = usize>, labels: &[bool]) -> [Vec<usize>; 2] {
    let (positive, negative) = tokens.partition(|&token| labels[token]);
    [negative, positive]
}

/// Keeps equally many of both, at random, in random order.
fn balance(negative: &mut Vec<usize>, positive: &mut Vec<usize>, rng: &mut Rng) -> usize {
    let size = negative.len().min(positive.len());
    for class in [negative, positive] {
        rng.shuffle(class);
        class.truncate(size);
    }
    size
}

/// How many of a class are tested, rounded up as scikit-learn does; none where nothing is left to train on.
fn aside(size: usize, share: f64) -> Option<usize> {
    let test = (share * size as f64).ceil() as usize;
    (test > 0 && test < size).then_some(test)
}

fn sorted(mut split: Split) -> Split {
    split.train.sort_unstable();
    split.test.sort_unstable();
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of 3 tokens; every third is labelled true.
    fn tokens() -> (Vec<bool>, Vec<usize>) {
        let groups: Vec<usize> = (0..90).map(|token| token / 3).collect();
        (groups.iter().map(|group| group % 3 == 0).collect(), groups)
    }

    #[track_caller]
    fn check_balanced(split: &Split, labels: &[bool], sizes: [usize; 2]) {
        for (part, size) in [&split.train, &split.test].into_iter().zip(sizes) {
            assert_eq!(part.len(), size);
            assert_eq!(part.iter().filter(|&&token| labels[token]).count() * 2, size);
        }
        assert!(split.train.iter().all(|token| !split.test.contains(token)));
    }

    #[test]
    fn both_parts_are_balanced_and_apart() {
        let (labels, groups) = tokens();
        let split = by_token(&labels, 0.2, &mut Rng::new(0, 0)).unwrap();
        check_balanced(&split, &labels, [48, 12]);
        assert!(split.test.iter().any(|&test| split.train.iter().any(|&train| groups[train] == groups[test])));

        let split = by_group(&labels, &groups, 0.2, &mut Rng::new(0, 0)).unwrap();
        // 10 groups are labelled true: 2 of them are tested, and as many tokens of the others.
        check_balanced(&split, &labels, [48, 12]);
        assert!(split.test.iter().all(|&test| split.train.iter().all(|&train| groups[train] != groups[test])));
    }

    #[test]
    fn a_class_that_cannot_be_split_gives_none() {
        assert_eq!(by_token(&[true, false, false], 0.2, &mut Rng::new(0, 0)), None);
        assert_eq!(by_group(&[true, true, false, false], &[0, 0, 1, 2], 0.2, &mut Rng::new(0, 0)), None);
    }
}
