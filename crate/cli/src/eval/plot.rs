//! Score against number of shots, as a picture.

use std::path::Path;

use plotters::prelude::*;

use super::EvalError;

/// A line of the plot: its name, and `(shots, score, low, high)` by number of shots.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(usize, f64, f64, f64)>,
}

/// Draws the curves with their 95% intervals to an SVG file. Numbers of shots stand as
/// far from one another as they stand in the list, because they double.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn draw(path: &Path, curves: &[Curve]) -> Result<(), EvalError> {
    let failed = |error: &dyn std::fmt::Display| EvalError::Plot {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut shots: Vec<usize> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.0))
        .collect();
    shots.sort_unstable();
    shots.dedup();
    let place = |count: usize| shots.partition_point(|&other| other < count) as f64;
    let bounds = curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = bounds.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
        (low.min(point.2), high.max(point.3))
    });
    let margin = ((high - low) * 0.1).max(1.0);

    let root = SVGBackend::new(path, (720, 440)).into_drawing_area();
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
            .map(|&(shots, score, ..)| (place(shots), score))
            .collect();
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))
            .map_err(|error| failed(&error))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart
            .draw_series(curve.points.iter().map(|&(shots, score, low, high)| {
                let x = place(shots);
                ErrorBar::new_vertical(x, low, score, high, color.filled(), 8)
            }))
            .map_err(|error| failed(&error))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|error| failed(&error))?;
    root.present().map_err(|error| failed(&error))
}
