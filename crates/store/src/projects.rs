//! Projects: what jobs and pictures belong to.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use crate::{Store, StoreError, new_id, now_ms};

/// The project of everything that names none.
pub const DEFAULT_PROJECT: &str = "default";

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Id.
    pub id: String,
    /// Name, 1 to 100 characters, one of its kind.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// Pictures in it.
    pub pictures: i64,
}

const SELECT: &str = "SELECT id, name, created_ms,
    (SELECT count(*) FROM assets WHERE project = projects.id AND kind = 'image') FROM projects";

impl Store {
    /// Every project, the oldest first.
    pub fn projects(&self) -> Result<Vec<Project>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY created_ms, id"))?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// The project with this id.
    pub fn project(&self, id: &str) -> Result<Project, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("project", id))
    }

    /// Makes a project; the one of this name if there is one.
    pub fn add_project(&self, name: &str) -> Result<Project, StoreError> {
        let name = checked(name)?;
        let id: String = self.connection().query_row(
            "INSERT INTO projects VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id",
            params![new_id(), name, now_ms()],
            |row| row.get(0),
        )?;
        self.project(&id)
    }

    /// Gives a project another name.
    pub fn rename_project(&self, id: &str, name: &str) -> Result<Project, StoreError> {
        let name = checked(name)?;
        let changed = self.connection().execute("UPDATE OR IGNORE projects SET name = ?2 WHERE id = ?1", [id, name])?;
        let project = self.project(id)?;
        if changed == 0 {
            return Err(StoreError::field("name", "another project has this name"));
        }
        Ok(project)
    }
}

fn checked(name: &str) -> Result<&str, StoreError> {
    let name = name.trim();
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(StoreError::field("name", "must be 1 to 100 printable characters"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project { id: row.get(0)?, name: row.get(1)?, created_ms: row.get(2)?, pictures: row.get(3)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_unique() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let spring = store.add_project(" Spring ").unwrap();
        assert_eq!(store.add_project("Spring").unwrap().id, spring.id);
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(matches!(store.add_project(bad), Err(StoreError::Field { field: "name", .. })));
        }
        assert!(store.rename_project(&spring.id, "Default").is_err());
        assert_eq!(store.rename_project(&spring.id, "Summer").unwrap().name, "Summer");
        assert!(matches!(store.rename_project("x", "y"), Err(StoreError::Unknown { .. })));
        assert_eq!(store.projects().unwrap().len(), 2);
    }
}
