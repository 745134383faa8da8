//! CSV: one file per table. Text is always quoted; what is not quoted is a number, a truth value, or nothing at all for
//! a null. A float has the fewest digits that read back as it.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::error::Result;
use super::place::{Exported, Out, Place, folder};
use super::run::{RunExport, TableExport};
use super::value::{Value, hex, value};
use crate::flat::flat;

/// Makes the folder `target` with `NAME.csv` for tables of the run, `CELL/NAME.csv` for those of cells, `headline.csv`
/// and `params.csv`. A folder that an export made is replaced if `replace` says so.
pub fn export_csv(run: &RunExport, target: &Path, replace: bool) -> Result<Exported> {
    run.check()?;
    folder(target, replace, "csv", run, |place| {
        for table in &run.tables {
            write_table(place, table)?;
        }
        if !run.headline().is_empty() {
            let mut out = place.file(own(run, "headline"))?;
            headline(run, &mut out)?;
            out.finish()?;
        }
        let mut out = place.file(own(run, "params"))?;
        params(run, &mut out)?;
        out.finish()
    })
}

/// A plugin's own table of this name keeps it.
fn own(run: &RunExport, name: &str) -> PathBuf {
    let taken = run.tables.iter().any(|table| table.cell.is_none() && table.name == name);
    PathBuf::from(if taken { format!("report_{name}.csv") } else { format!("{name}.csv") })
}

fn write_table(place: &mut Place, table: &TableExport) -> Result<()> {
    let folder = table.cell.as_ref().map(PathBuf::from).unwrap_or_default();
    let mut out = place.file(folder.join(format!("{}.csv", table.name)))?;
    let (schema, batches) = table.read()?;
    let mut line = String::new();
    schema.fields().iter().for_each(|field| text(field.name(), &mut line));
    end(&mut line, &mut out)?;
    for batch in batches {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                field(&value(column, row)?, &mut line)?;
            }
            end(&mut line, &mut out)?;
        }
        place.count(batch.num_rows() as u64);
    }
    out.finish()
}

fn headline(run: &RunExport, out: &mut Out) -> Result<()> {
    let mut line = String::new();
    let names = ["quantity", "condition", "value", "low", "high", "control", "p", "n", "method"];
    names.iter().for_each(|name| text(name, &mut line));
    end(&mut line, out)?;
    for row in run.headline() {
        let number = |x: Option<f64>, line: &mut String| field(&x.map_or(Value::Null, Value::F64), line);
        text(&row.quantity, &mut line);
        text(&row.condition, &mut line);
        number(Some(row.value), &mut line)?;
        number(row.interval.map(|[low, _]| low), &mut line)?;
        number(row.interval.map(|[_, high]| high), &mut line)?;
        number(row.control, &mut line)?;
        number(row.p, &mut line)?;
        field(&Value::Int(row.n.into()), &mut line)?;
        text(&row.method, &mut line);
        end(&mut line, out)?;
    }
    Ok(())
}

fn params(run: &RunExport, out: &mut Out) -> Result<()> {
    let mut line = String::new();
    text("name", &mut line);
    text("value", &mut line);
    end(&mut line, out)?;
    for (name, value) in flat(&run.params) {
        text(&name, &mut line);
        match value {
            Json::Null => bare("", &mut line),
            Json::Bool(_) | Json::Number(_) => bare(&value.to_string(), &mut line),
            Json::String(said) => text(said, &mut line),
            Json::Array(_) | Json::Object(_) => text(&value.to_string(), &mut line),
        }
        end(&mut line, out)?;
    }
    Ok(())
}

/// Adds one field and its comma.
fn field(value: &Value<'_>, line: &mut String) -> Result<()> {
    match value {
        Value::Null => bare("", line),
        Value::Bool(b) => bare(if *b { "true" } else { "false" }, line),
        Value::Int(i) => bare(&i.to_string(), line),
        Value::F32(x) => bare(&format!("{x:?}"), line),
        Value::F64(x) => bare(&format!("{x:?}"), line),
        Value::Text(said) => text(said, line),
        Value::Bytes(bytes) => text(&hex(bytes), line),
        Value::Other(said) => text(said, line),
        Value::List(_) | Value::Struct(..) => text(&value.json()?.to_string(), line),
    }
    Ok(())
}

fn bare(said: &str, line: &mut String) {
    line.push_str(said);
    line.push(',');
}

fn text(said: &str, line: &mut String) {
    line.push('"');
    line.push_str(&said.replace('"', "\"\""));
    line.push_str("\",");
}

/// Writes the line, without the comma behind its last field.
fn end(line: &mut String, out: &mut Out) -> Result<()> {
    line.pop();
    line.push('\n');
    out.write(line.as_bytes())?;
    line.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_says_of_what_kind_it_is() {
        let cases: [(Value<'_>, &str); 12] = [
            (Value::Null, ","),
            (Value::Text(""), "\"\","),
            (Value::Text("a\"b,\r\nc"), "\"a\"\"b,\r\nc\","),
            (Value::Text("1"), "\"1\","),
            (Value::Int(-1), "-1,"),
            (Value::F32(0.1), "0.1,"),
            (Value::F64(0.1_f32.into()), "0.10000000149011612,"),
            (Value::F64(1e300), "1e300,"),
            (Value::F64(f64::NAN), "NaN,"),
            (Value::F64(f64::NEG_INFINITY), "-inf,"),
            (Value::Bool(true), "true,"),
            (Value::Bytes(&[0, 255]), "\"00ff\","),
        ];
        for (value, expected) in cases {
            let mut line = String::new();
            field(&value, &mut line).unwrap();
            assert_eq!(line, expected, "{value:?}");
        }
    }
}
