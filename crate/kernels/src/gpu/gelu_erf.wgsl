// The error function within 5e-7: the rational approximation of Eigen and XLA.
fn erf(number: f32) -> f32 {
    let x = clamp(number, -4.0, 4.0);
    let s = x * x;
    var p = -2.72614225801306e-10;
    p = p * s + 2.77068142495902e-8;
    p = p * s - 2.10102402082508e-6;
    p = p * s - 5.69250639462346e-5;
    p = p * s - 7.34990630326855e-4;
    p = p * s - 2.95459980854025e-3;
    p = p * s - 1.60960333262415e-2;
    var q = -1.45660718464996e-5;
    q = q * s - 2.13374055278905e-4;
    q = q * s - 1.68282697438203e-3;
    q = q * s - 7.37332916720468e-3;
    q = q * s - 1.42647390514189e-2;
    return x * p / q;
}

fn apply(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf(x * 0.70710678118654752));
}
