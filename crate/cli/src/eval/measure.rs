//! Scores of outputs, by task.

use flamingo_metrics::{
    Bootstrap, CaptionedImage, ConfidenceInterval, bleu, cider, exact_match, postprocess, roc_auc,
    vqa_accuracy,
};

use super::EvalError;
use super::items::{Expected, Item};
use super::results::Output;

/// People who must have answered for the official rule: with fewer an answer is right
/// or wrong.
const ANSWERS_OF_THE_OFFICIAL_RULE: usize = 4;

/// A score of a set of items.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    /// The field's name for it.
    pub(super) name: &'static str,
    /// The score, times 100, with its 95% interval over the items where there is one.
    pub(super) score: f64,
    pub(super) interval: Option<ConfidenceInterval>,
}

impl Measure {
    /// A mean over the items.
    fn mean(name: &'static str, scores: &[f64]) -> Result<Self, EvalError> {
        let interval = Bootstrap::default().mean(scores)?;
        Ok(Self {
            name,
            score: 100.0 * interval.mean,
            interval: Some(interval),
        })
    }

    /// A score of the whole.
    fn whole(name: &'static str, score: f64) -> Self {
        Self {
            name,
            score: 100.0 * score,
            interval: None,
        }
    }
}

/// Measures the outputs of several draws of the examples: `outputs` holds, for each
/// draw, one output for each item. Intervals are over items, each the mean of its draws.
///
/// # Errors
/// Where there is nothing to measure.
pub(super) fn measure(
    items: &[&Item],
    classes: &[String],
    outputs: &[Vec<&Output>],
) -> Result<Vec<Measure>, EvalError> {
    let Some(first) = items.first() else {
        return Ok(Vec::new());
    };
    match first.expected {
        Expected::Captions(_) => captioning(items, outputs),
        Expected::Answers(_) => {
            let scores = mean_over_draws(items, outputs, answered)?;
            Ok(vec![Measure::mean("accuracy", &scores)?])
        }
        Expected::Pattern(_) => {
            let scores = mean_over_draws(items, outputs, |item, output| Ok(matched(item, output)))?;
            Ok(vec![Measure::mean("accuracy", &scores)?])
        }
        Expected::Choice { .. } => {
            let scores = mean_over_draws(items, outputs, |item, output| Ok(chosen(item, output)))?;
            Ok(vec![Measure::mean("accuracy", &scores)?])
        }
        Expected::Label(_) => {
            let scores = mean_over_draws(items, outputs, |item, output| {
                Ok(f64::from(u8::from(classified(item, classes, output))))
            })?;
            let mut measures = vec![Measure::mean("accuracy", &scores)?];
            measures.extend(area_under_curve(items, classes, outputs)?);
            Ok(measures)
        }
    }
}

fn captioning(items: &[&Item], outputs: &[Vec<&Output>]) -> Result<Vec<Measure>, EvalError> {
    let mut per_image = vec![0.0; items.len()];
    let mut fourgrams = 0.0;
    for draw in outputs {
        let images: Vec<CaptionedImage> = items
            .iter()
            .zip(draw)
            .filter_map(|(item, output)| match (&item.expected, output) {
                (Expected::Captions(references), Output::Text(text)) => {
                    Some(CaptionedImage::new(&postprocess::caption(text), references))
                }
                _ => None,
            })
            .collect();
        let scores = cider(&images)?;
        for (mean, score) in per_image.iter_mut().zip(scores.per_image) {
            *mean += score / outputs.len() as f64;
        }
        fourgrams += bleu(&images)?[3] / outputs.len() as f64;
    }
    Ok(vec![
        Measure::mean("CIDEr", &per_image)?,
        Measure::whole("BLEU-4", fourgrams),
    ])
}

/// The mean score of each item over the draws.
fn mean_over_draws(
    items: &[&Item],
    outputs: &[Vec<&Output>],
    score: impl Fn(&Item, &Output) -> Result<f64, EvalError>,
) -> Result<Vec<f64>, EvalError> {
    let mut means = vec![0.0; items.len()];
    for draw in outputs {
        for ((mean, item), output) in means.iter_mut().zip(items).zip(draw) {
            *mean += score(item, output)? / outputs.len() as f64;
        }
    }
    Ok(means)
}

fn answered(item: &Item, output: &Output) -> Result<f64, EvalError> {
    let (Expected::Answers(answers), Output::Text(text)) = (&item.expected, output) else {
        return Ok(0.0);
    };
    let answer = postprocess::vqa_answer(text);
    if answers.len() >= ANSWERS_OF_THE_OFFICIAL_RULE {
        return Ok(vqa_accuracy(answer, answers)?);
    }
    let right = answers.iter().any(|expected| exact_match(answer, expected));
    Ok(f64::from(u8::from(right)))
}

fn matched(item: &Item, output: &Output) -> f64 {
    match (&item.expected, output) {
        (Expected::Pattern(pattern), Output::Text(text)) => {
            f64::from(u8::from(pattern.is_match(text.trim())))
        }
        _ => 0.0,
    }
}

fn chosen(item: &Item, output: &Output) -> f64 {
    match (&item.expected, output) {
        (Expected::Choice { right, .. }, Output::Scores(scores)) => {
            f64::from(u8::from(largest(scores) == Some(*right)))
        }
        _ => 0.0,
    }
}

fn classified(item: &Item, classes: &[String], output: &Output) -> bool {
    match (&item.expected, output) {
        (Expected::Label(label), Output::Scores(scores)) => {
            largest(scores).and_then(|place| classes.get(place)) == Some(label)
        }
        _ => false,
    }
}

/// The area under the curve of the second of two classes, as in OpenFlamingo's
/// evaluation of "no" and "yes"; nothing for other numbers of classes.
fn area_under_curve(
    items: &[&Item],
    classes: &[String],
    outputs: &[Vec<&Output>],
) -> Result<Option<Measure>, EvalError> {
    let [_, positive] = classes else {
        return Ok(None);
    };
    let mut mean = 0.0;
    for draw in outputs {
        let scored: Vec<(f64, bool)> = items
            .iter()
            .zip(draw)
            .filter_map(|(item, output)| match (&item.expected, output) {
                (Expected::Label(label), Output::Scores(scores)) => {
                    let [negative_score, positive_score] = scores[..] else {
                        return None;
                    };
                    Some((positive_score - negative_score, label == positive))
                }
                _ => None,
            })
            .collect();
        mean += roc_auc(&scored)? / outputs.len() as f64;
    }
    Ok(Some(Measure::whole("ROC AUC", mean)))
}

/// The place of the largest score, the first among equals.
fn largest(scores: &[f64]) -> Option<usize> {
    (0..scores.len()).reduce(|best, place| {
        if scores[place] > scores[best] {
            place
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn item(expected: Expected) -> Item {
        Item {
            line: 1,
            frames: Vec::new(),
            question: String::new(),
            expected,
            group: String::new(),
            shots: None,
        }
    }

    fn measured(
        items: &[Item],
        classes: &[&str],
        draws: &[Vec<Output>],
    ) -> Vec<(&'static str, f64)> {
        let items: Vec<&Item> = items.iter().collect();
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        let draws: Vec<Vec<&Output>> = draws.iter().map(|draw| draw.iter().collect()).collect();
        let found = measure(&items, &classes, &draws).unwrap();
        found
            .into_iter()
            .map(|measure| (measure.name, measure.score))
            .collect()
    }

    fn text(text: &str) -> Output {
        Output::Text(text.to_owned())
    }

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn many_answers_are_scored_officially_and_one_exactly() {
        let many = item(Expected::Answers(words(&[
            "two", "two", "3", "3", "3", "3", "3", "3", "3", "3",
        ])));
        let found = measured(std::slice::from_ref(&many), &[], &[vec![text("2")]]);
        // Two of ten agree: nine subsets, of which eight hold two and two hold one.
        let expected = 100.0 * (8.0 * 2.0 / 3.0 + 2.0 / 3.0) / 10.0;
        assert_eq!(found[0].0, "accuracy");
        assert!((found[0].1 - expected).abs() < 1e-9);

        let one = item(Expected::Answers(words(&["red"])));
        let draws = [vec![text("Red, Question: what")], vec![text("blue")]];
        assert_eq!(measured(&[one], &[], &draws), [("accuracy", 50.0)]);
    }

    #[test]
    fn classes_are_counted_and_two_have_a_curve() {
        let items = ["no", "yes", "yes"].map(|label| item(Expected::Label(label.to_owned())));
        let scores = [[-1.0, -2.0], [-1.0, -1.5], [-2.0, -1.0]];
        let draw = scores
            .map(|scores| Output::Scores(scores.to_vec()))
            .to_vec();
        let found = measured(&items, &["no", "yes"], &[draw]);
        assert!((found[0].1 - 200.0 / 3.0).abs() < 1e-9);
        assert_eq!(found[1], ("ROC AUC", 100.0));
    }

    #[test]
    fn choices_and_captions() {
        let choice = item(Expected::Choice {
            choices: words(&["a", "b", "c"]),
            right: 2,
        });
        let draw = vec![Output::Scores(vec![-3.0, -2.0, -1.0])];
        assert_eq!(measured(&[choice], &[], &[draw]), [("accuracy", 100.0)]);

        let captions = [
            item(Expected::Captions(words(&["a dog runs over the grass"]))),
            item(Expected::Captions(words(&["two men play with a ball"]))),
        ];
        let draw = vec![text("a dog runs over the grass"), text("a cat")];
        let found = measured(&captions, &[], &[draw]);
        assert_eq!(
            found.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["CIDEr", "BLEU-4"]
        );
        assert!(found[0].1 > 400.0 && found[0].1 < 600.0, "{found:?}");
    }
}
