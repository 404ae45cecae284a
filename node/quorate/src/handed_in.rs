//! JSON that users hand in as a file: requests and definitions, in the shapes that the aws CLI takes and prints.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::{Exit, Failure};

/// The object in a file; of standard input where the file is `-`.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let shown = path.display();
    let bytes = bytes(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("read {shown}")).because(error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(Exit::Usage, format!("{shown} is not an object in JSON"))
            .because(error)
            .next("`aws ecs OPERATION --generate-cli-skeleton` prints the shape")
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path);
    }
    let mut all = Vec::new();
    io::stdin().read_to_end(&mut all)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("service.json");
        fs::write(&file, "{\"serviceName\": \"web\"}").unwrap();
        assert_eq!(object(&file).unwrap()["serviceName"], "web");
        fs::write(&file, "{\"serviceName\": web}").unwrap();
        let failure = object(&file).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(
            failure.to_string().contains("line 1 column 17"),
            "{failure}"
        );
        assert_eq!(object(&folder.path().join("other")).unwrap_err().code, 2);
    }
}
