//! Predictions that cannot be measured.

/// Predictions and labels do not fit together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// Nothing to measure.
    #[error("there are no predictions to measure")]
    Empty,
    /// The slice is not a whole number of rows, one a label.
    #[error("{values} probabilities are not {rows} rows (one a label) of {classes} classes")]
    Shape {
        /// Probabilities given.
        values: usize,
        /// Labels given.
        rows: usize,
        /// Classes.
        classes: usize,
    },
    /// A label that no class has.
    #[error("label {label} of row {row} (from 0) is not one of {classes} classes")]
    Label {
        /// Row of the label.
        row: usize,
        /// The label.
        label: u32,
        /// Classes.
        classes: usize,
    },
    /// A value that is no probability.
    #[error("row {row} (from 0) holds {value} for class {class}; a probability is between 0 and 1")]
    Probability {
        /// Row of the value.
        row: usize,
        /// Its class.
        class: usize,
        /// The value.
        value: f32,
    },
    /// A temperature that nothing can be divided by.
    #[error("the temperature is {value}; it must be finite and above 0")]
    Temperature {
        /// The temperature.
        value: f64,
    },
}
