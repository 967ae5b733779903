//! Values of metrics.

/// The value of the series `name` that has all these labels, out of a page of metrics.
///
/// # Panics
/// When there is no such series, or more than one.
pub fn metric(page: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let mut found = page.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (series_name, series_labels) = series.split_once('{').unwrap_or((series, ""));
        let has =
            |(name, value): &(&str, &str)| series_labels.contains(&format!("{name}=\"{value}\""));
        (series_name == name && labels.iter().all(has)).then(|| value.parse().expect("a number"))
    });
    let value = found.next().unwrap_or_else(|| panic!("no {name} {labels:?} in\n{page}"));
    assert_eq!(found.next(), None, "more than one {name} {labels:?}");
    value
}
