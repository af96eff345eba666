//! Projects.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectView {
    /// Id.
    id: String,
    /// Name.
    name: String,
    /// When it was made.
    created_ms: i64,
    /// Pictures in it.
    pictures: i64,
}

impl From<store::Project> for ProjectView {
    fn from(project: store::Project) -> Self {
        let store::Project { id, name, created_ms, pictures } = project;
        Self { id, name, created_ms, pictures }
    }
}

/// A project's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// 1 to 100 printable characters.
    name: String,
}

/// List projects, the oldest first.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", responses((status = 200, body = Vec<ProjectView>)))]
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<ProjectView>>, ApiError> {
    app.blocking(|app| Ok(Json(app.store.projects()?.into_iter().map(Into::into).collect()))).await
}

/// Make a project; one of this name is given back if there is one.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = Named,
    responses((status = 201, body = ProjectView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(named): JsonBody<Named>,
) -> Result<(StatusCode, Json<ProjectView>), ApiError> {
    let project = app.blocking(move |app| Ok(app.store.add_project(&named.name)?)).await?;
    Ok((StatusCode::CREATED, Json(project.into())))
}

/// Rename a project.
#[utoipa::path(patch, path = "/api/v1/projects/{id}", tag = "projects", params(("id" = String, Path)), request_body = Named,
    responses((status = 200, body = ProjectView), (status = 400), (status = 404)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(named): JsonBody<Named>,
) -> Result<Json<ProjectView>, ApiError> {
    app.blocking(move |app| Ok(Json(app.store.rename_project(&id, &named.name)?.into()))).await
}
