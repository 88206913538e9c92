//! Score against number of shots, as a picture.

use std::str::FromStr;

use plotters::prelude::*;

use super::EvalError;
use crate::output_file::{OutputError, OutputFile};

/// The text before a run's name at the end of a plot.
const MARK: &str = "<!-- flamingo eval ";

/// A line of the plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

/// A score at a number of shots, with its 95% interval where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) shots: usize,
    pub(super) score: f64,
    pub(super) interval: Option<(f64, f64)>,
}

impl Point {
    /// The interval, or the score alone.
    fn bounds(&self) -> (f64, f64) {
        self.interval.unwrap_or((self.score, self.score))
    }
}

impl FromStr for Curve {
    type Err = String;

    /// Reads a published result: `NAME=SHOTS:SCORE,SHOTS:SCORE,…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, points) = text
            .rsplit_once('=')
            .ok_or("the name and its scores are parted by =")?;
        let point = |text: &str| {
            let (shots, score) = text.split_once(':')?;
            let score: f64 = score.trim().parse().ok()?;
            Some(Point {
                shots: shots.trim().parse().ok()?,
                score: score.is_finite().then_some(score)?,
                interval: None,
            })
        };
        let points = points
            .split(',')
            .map(|text| point(text).ok_or(format!("{text:?} is no SHOTS:SCORE")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            points,
        })
    }
}

/// Checks that what is at the place of a plot, if anything, is the plot of the same run.
///
/// # Errors
/// Where it is something else.
pub(super) fn check_earlier(file: &OutputFile, run: &str) -> Result<(), OutputError> {
    let Some(content) = file.content()?.filter(|content| !content.is_empty()) else {
        return Ok(());
    };
    let content = String::from_utf8_lossy(&content);
    let mark = content.rfind(MARK).map(|at| &content[at + MARK.len()..]);
    match mark {
        Some(mark) if mark.starts_with(run) => Ok(()),
        Some(_) => Err(file.foreign("is the plot of another run")),
        None => Err(file.foreign("is no plot of this program")),
    }
}

/// Draws the curves with their 95% intervals as the text of an SVG file, which ends with the
/// name of the run. Numbers of shots stand as far from one another as they stand in the list,
/// because they double.
///
/// # Errors
/// Where they cannot be drawn.
pub(super) fn draw(curves: &[Curve], run: &str) -> Result<String, EvalError> {
    let failed = |error: &dyn std::fmt::Display| EvalError::Plot(error.to_string());
    let mut svg = String::new();
    let mut shots: Vec<usize> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.shots))
        .collect();
    shots.sort_unstable();
    shots.dedup();
    let place = |count: usize| shots.partition_point(|&other| other < count) as f64;
    let bounds = curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = bounds.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
        let (below, above) = point.bounds();
        (low.min(below), high.max(above))
    });
    let margin = ((high - low) * 0.1).max(1.0);

    let root = SVGBackend::with_string(&mut svg, (720, 440)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| failed(&error))?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(
            -0.3..shots.len() as f64 - 0.7,
            (low - margin).max(0.0)..high + margin,
        )
        .map_err(|error| failed(&error))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc("shots")
        .y_desc("score")
        .x_labels(shots.len() + 1)
        .x_label_formatter(&|x| {
            let whole = (x - x.round()).abs() < 1e-6 && *x >= 0.0;
            let label = whole.then(|| shots.get(x.round() as usize)).flatten();
            label.map_or_else(String::new, ToString::to_string)
        })
        .draw()
        .map_err(|error| failed(&error))?;
    for (index, curve) in curves.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let points: Vec<(f64, f64)> = curve
            .points
            .iter()
            .map(|point| (place(point.shots), point.score))
            .collect();
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))
            .map_err(|error| failed(&error))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart
            .draw_series(curve.points.iter().map(|point| {
                let (x, (low, high)) = (place(point.shots), point.bounds());
                ErrorBar::new_vertical(x, low, point.score, high, color.filled(), 8)
            }))
            .map_err(|error| failed(&error))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|error| failed(&error))?;
    root.present().map_err(|error| failed(&error))?;
    // What has been drawn is in the text once nobody holds it any more.
    drop(chart);
    drop(root);
    Ok(format!(
        "{}{MARK}{run} -->\n",
        svg.trim_end().to_owned() + "\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_result_is_read_and_a_wrong_one_refused() {
        let curve: Result<Curve, _> = "Flamingo, 3B=0:60.6,32: 71.2".parse();
        let point = |shots, score| Point {
            shots,
            score,
            interval: None,
        };
        let expected = Curve {
            name: "Flamingo, 3B".to_owned(),
            points: vec![point(0, 60.6), point(32, 71.2)],
        };
        assert_eq!(curve, Ok(expected));
        for wrong in ["", "0:60.6", "a=", "a=0", "a=x:1", "a=0:NaN", "a=0:1,"] {
            assert!(wrong.parse::<Curve>().is_err(), "{wrong}");
        }
    }
}
