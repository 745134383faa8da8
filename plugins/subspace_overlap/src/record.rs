//! Row types of tables: declared once, and both written and read from that declaration.

use emhost_sdk::prelude::*;

/// A type that a column can hold.
pub trait Value: Clone {
    /// What stands where there is no value.
    fn missing() -> Self;
    /// Adds the column.
    fn write(table: Table, name: &str, values: impl Iterator<Item = Self>) -> Table;
    /// Reads the column.
    fn read(table: &Table, name: &str) -> Result<Vec<Self>>;
}

macro_rules! value {
    ($type:ty, $missing:expr, $with:ident, $stored:expr, $get:ident) => {
        impl Value for $type {
            fn missing() -> Self {
                $missing
            }

            fn write(table: Table, name: &str, values: impl Iterator<Item = Self>) -> Table {
                table.$with(name, values.map($stored))
            }

            fn read(table: &Table, name: &str) -> Result<Vec<Self>> {
                Ok(table.$get(name)?.into_iter().map(Self::from).collect())
            }
        }
    };
}

value!(String, String::new(), with_text, |text| text, text);
value!(f64, f64::NAN, with_optional_f64, |number: f64| number.is_finite().then_some(number), f64);
value!(u64, 0, with_u64, |count| count, u64);
value!(bool, false, with_bool, |flag| flag, bool);

macro_rules! record {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        impl Default for $name {
            /// Empty names, zero counts, NaN numbers.
            fn default() -> Self {
                Self { $($field: $crate::record::Value::missing(),)* }
            }
        }

        impl $name {
            /// The rows as a table, one column per field.
            pub fn table(rows: &[Self]) -> Table {
                let table = Table::new();
                $(let table = $crate::record::Value::write(table, stringify!($field), rows.iter().map(|row| row.$field.clone()));)*
                table
            }

            /// The rows of such a table; other columns are ignored.
            ///
            /// # Errors
            ///
            /// A column is missing or of another type.
            pub fn read(table: &Table) -> Result<Vec<Self>> {
                $(let mut $field = <$type as $crate::record::Value>::read(table, stringify!($field))?.into_iter();)*
                let mut rows = Vec::with_capacity(table.rows());
                for _ in 0..table.rows() {
                    rows.push(Self { $($field: $field.next().ok_or("columns of unequal length")?,)* });
                }
                Ok(rows)
            }
        }
    };
}

pub(crate) use record;
