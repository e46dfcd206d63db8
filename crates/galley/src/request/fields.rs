//! Values of the form `id=x,src=y`: one line of comma-separated values, as docker reads them.

/// The fields of `text`. A field may stand in double quotes, in which `""` is a quote and a comma is a comma; one without `=` has no
/// value. Names are in lower case.
///
/// # Errors
/// What is wrong, in words.
pub fn fields(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut fields = Vec::new();
    for field in split(text)? {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (field.as_str(), None),
        };
        if name.is_empty() {
            return Err("a field has no name; write NAME=VALUE,NAME=VALUE".into());
        }
        fields.push((name.to_ascii_lowercase(), value));
    }
    Ok(fields)
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    if quoted { Err("a closing quote is missing".into()) } else { Ok(fields) }
}
