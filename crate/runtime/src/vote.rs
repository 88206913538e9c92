//! Examples that vote: an image that looks like those of an answer has that answer.
//!
//! The frozen vision features tell groups of photos apart that a language model, which sees
//! each photo through a few latents, confuses; what the language model reads from the
//! examples, they do not know. So both count.

use crate::error::RuntimeError;
use crate::media::{EncodedMedia, direction};
use crate::model::Model;
use crate::prompt::Example;
use crate::score::probabilities;
use crate::session::Query;

/// How much the vote counts unless told otherwise: as much as the language model's
/// likelihood.
///
/// This and the temperature were chosen on training photos: 600 choices among made-up words,
/// half of them for groups of Flickr8k's photos and half for things of Caltech-101 and
/// groceries, 2 words with 1 and with 4 examples each, and 5 with 4. Of weights from 0 to 4
/// and temperatures from 1/20 to 1/8 no others choose the right word more often than these,
/// 88.0% of the time (76.3% by the likelihood alone, 87.7% by the vote alone), and its mean
/// log-probability, -0.298, is within 0.002 of the best.
pub const RESEMBLANCE: f32 = 1.0;

/// The divisor of cosines before they become shares of a vote.
const TEMPERATURE: f64 = 1.0 / 16.0;

/// Directions nearer to their middle than this differ by rounding only.
const SAME: f64 = 1e-4;

/// The votes of the examples on answers to a query, shares that sum to 1; nothing if they
/// have no say, because the query has no image, an answer has no example with one, or an
/// example shows something that is no answer.
///
/// # Errors
/// If an image is another model's, or the device fails.
pub(crate) async fn take(
    model: &Model,
    query: &Query,
    examples: &[Example<EncodedMedia>],
    answers: &[String],
) -> Result<Option<Vec<f64>>, RuntimeError> {
    let answers: Vec<&str> = answers.iter().map(|answer| answer.trim()).collect();
    let (Some(seen), Some(voters)) = (&query.media, voters(examples, &answers)) else {
        return Ok(None);
    };
    let (texts, mut media): (Vec<&str>, Vec<&EncodedMedia>) = voters.into_iter().unzip();
    media.push(seen);
    let directions = model.features(&media).await?.into_iter();
    let mut directions: Vec<Vec<f64>> = directions
        .map(|features| direction(features.into_iter().map(f64::from).collect()))
        .collect();
    let query = directions
        .pop()
        .expect("invariant: the query's features were asked for last");
    Ok(Some(count(query, &directions, &texts, &answers)))
}

/// The examples that vote, each as its text and its image: those that have one, if all
/// examples show answers and each answer has one with an image.
fn voters<'a, M>(examples: &'a [Example<M>], answers: &[&str]) -> Option<Vec<(&'a str, &'a M)>> {
    let shows_answer = |example: &Example<M>| answers.contains(&example.answer.trim());
    let voters: Vec<(&str, &M)> = examples
        .iter()
        .filter_map(|example| Some((example.answer.trim(), example.media.as_ref()?)))
        .collect();
    let has_voter = |answer: &&str| voters.iter().any(|(text, _)| text == answer);
    let have_say = examples.iter().all(shows_answer) && answers.iter().all(has_voter);
    (have_say && !voters.is_empty()).then_some(voters)
}

/// Shares of answers: the softmax of the cosines between the query and the mean of each
/// answer's examples, as they are seen from the middle between these means.
///
/// Features of any two photos are much alike: from the middle it counts how they differ. An
/// answer with more examples than another has no advantage.
fn count(query: Vec<f64>, examples: &[Vec<f64>], texts: &[&str], answers: &[&str]) -> Vec<f64> {
    let means: Vec<Vec<f64>> = answers
        .iter()
        .map(|answer| {
            let own = texts.iter().zip(examples);
            let own: Vec<&Vec<f64>> = own
                .filter_map(|(text, example)| (text == answer).then_some(example))
                .collect();
            mean(&own)
        })
        .collect();
    let middle = mean(&means.iter().collect::<Vec<_>>());
    let query = seen_from(&middle, query);
    let cosines = means.into_iter().map(|mean| {
        let mean = seen_from(&middle, mean);
        mean.iter().zip(&query).map(|(a, b)| a * b).sum::<f64>()
    });
    let weighed: Vec<f64> = cosines.map(|cosine| cosine / TEMPERATURE).collect();
    probabilities(&weighed)
}

/// The mean of several places.
fn mean(places: &[&Vec<f64>]) -> Vec<f64> {
    let (first, others) = places
        .split_first()
        .expect("invariant: every answer has an example");
    let mut sum = first.to_vec();
    for (value, index) in sum.iter_mut().zip(0..) {
        *value += others.iter().map(|place| place[index]).sum::<f64>();
        *value /= places.len() as f64;
    }
    sum
}

/// The direction in which a place lies from the middle; none, if it is there.
fn seen_from(middle: &[f64], mut place: Vec<f64>) -> Vec<f64> {
    for (value, middle) in place.iter_mut().zip(middle) {
        *value -= middle;
    }
    let is_apart = place.iter().map(|value| value * value).sum::<f64>() > SAME * SAME;
    match is_apart {
        true => direction(place),
        false => vec![0.0; place.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(media: Option<u8>, answer: &str) -> Example<u8> {
        Example {
            media,
            question: String::new(),
            answer: answer.to_owned(),
        }
    }

    #[test]
    fn shares_follow_the_cosines_from_the_middle() {
        // From the middle, at (0.5, 0.5, 0), the query lies where the first answer does.
        let examples = [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]];
        let answers = ["a", "b"];
        let shares = count(vec![0.7, 0.3, 0.0], &examples, &answers, &answers);
        let expected = probabilities(&[1.0 / TEMPERATURE, -1.0 / TEMPERATURE]);
        for (found, expected) in shares.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        // A query that is like neither, but lies beside both, is of no answer.
        let shares = count(vec![0.0, 0.0, 1.0], &examples, &answers, &answers);
        assert_eq!(shares, [0.5, 0.5]);
    }

    #[test]
    fn an_answer_votes_with_the_mean_of_its_examples_however_many() {
        let examples = [
            vec![0.8, 0.6, 0.0],
            vec![0.0, 1.0, 0.0],
            vec![0.8, -0.6, 0.0],
        ];
        let share_of_a =
            |query: [f64; 3]| count(query.to_vec(), &examples, &["a", "b", "a"], &["b", "a"])[1];
        // The means are (0.8, 0, 0) and (0, 1, 0). What lies from their middle, (0.4, 0.5, 0),
        // across the line between them is as near to one as to the other.
        let even = share_of_a([0.9, 0.9, 0.1]);
        assert!((even - 0.5).abs() < 1e-12, "{even}");
        assert!(share_of_a([1.0, 0.9, 0.1]) > 0.5);
        assert!(share_of_a([0.9, 1.0, 0.1]) < 0.5);
    }

    #[test]
    fn images_that_are_the_same_but_for_rounding_do_not_decide() {
        let examples = [vec![0.6, 0.8], vec![0.6 + 1e-7, 0.8 - 1e-7], vec![0.6, 0.8]];
        let texts = ["a", "b", "c"];
        let shares = count(vec![0.8, 0.6], &examples, &texts, &texts);
        for share in shares {
            assert!((share - 1.0 / 3.0).abs() < 1e-12, "{share}");
        }
    }

    #[test]
    fn examples_vote_if_they_show_all_answers_and_nothing_else() {
        let shown = [
            example(Some(1), " a "),
            example(None, "b"),
            example(Some(2), "b\n"),
        ];
        let found = voters(&shown, &["b", "a"]);
        assert_eq!(found, Some(vec![("a", &1), ("b", &2)]));
        for (examples, answers) in [
            // An answer that no example shows.
            (&shown[..], &["a", "b", "c"][..]),
            // An example that shows no answer.
            (&shown, &["a"]),
            // An answer that only text shows.
            (&shown[..2], &["a", "b"]),
            (&[], &[]),
        ] {
            assert_eq!(voters(examples, answers), None, "{examples:?} {answers:?}");
        }
    }
}
