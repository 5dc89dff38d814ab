//! The routes below `/api`. Each is registered together with its OpenAPI description.

mod agencies;
mod audit_log;
mod cameras;
mod case_view;
mod cases;
pub(crate) mod decide;
mod evidence;
mod export;
mod figures;
mod live;
mod login;
mod me;
mod notes;
mod passages;
mod reasons;
mod related;
mod scenes;
mod statistics;
mod users;

use std::sync::Arc;

use axum::{Json, Router, extract::DefaultBodyLimit, middleware, routing::get};
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use crate::{access, app::App, problem::Problem};

#[derive(OpenApi)]
#[openapi(info(
    title = "stopline",
    description = "Violations, passages, figures and cameras. Sign in first: the session travels in a cookie; \
                   other systems send an API token as `Authorization: Bearer`. Requests by cookie that change \
                   something need the header X-Stopline-Request. What a route needs stands in `x-stopline-right`. Errors are problem details (RFC 9457).",
    version = env!("CARGO_PKG_VERSION"),
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Description;

fn described() -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(login::login_by_link))
        .routes(routes!(login::logout))
        .routes(routes!(login::me))
        .routes(routes!(me::password))
        .routes(routes!(me::list_sessions))
        .routes(routes!(me::end_session))
        .routes(routes!(me::list_tokens, me::make_token))
        .routes(routes!(me::revoke_token))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::change))
        .routes(routes!(users::grant))
        .routes(routes!(users::ungrant))
        .routes(routes!(users::end_sessions))
        .routes(routes!(users::link))
        .routes(routes!(agencies::list))
        .routes(routes!(agencies::put))
        .routes(routes!(agencies::put_group, agencies::remove_group))
        .routes(routes!(cases::list))
        .routes(routes!(cases::queue))
        .routes(routes!(related::related))
        .routes(routes!(notes::lease, notes::release))
        .routes(routes!(notes::plate))
        .routes(routes!(notes::accident))
        .routes(routes!(notes::escalate))
        .routes(routes!(notes::transfer))
        .routes(routes!(notes::duplicate))
        .routes(routes!(cases::one))
        .routes(routes!(decide::decide))
        .routes(routes!(evidence::file))
        .routes(routes!(reasons::list))
        .routes(routes!(passages::list))
        .routes(routes!(statistics::counts))
        .routes(routes!(statistics::traffic))
        .routes(routes!(figures::tally))
        .routes(routes!(figures::scorecard))
        .routes(routes!(figures::offenders))
        .routes(routes!(figures::precision))
        .routes(routes!(export::cases))
        .routes(routes!(export::passages))
        .routes(routes!(export::tally))
        .routes(routes!(scenes::scene, scenes::keep).layer(DefaultBodyLimit::max(scenes::SCENE_MAX)))
        .routes(routes!(scenes::check).layer(DefaultBodyLimit::max(scenes::SCENE_MAX)))
        .routes(routes!(scenes::sites))
        .routes(routes!(scenes::storage))
        .routes(routes!(crate::live_view::live))
        .routes(routes!(cameras::list))
        .routes(routes!(cameras::image))
        .routes(routes!(cameras::health))
        .routes(routes!(live::events))
        .routes(routes!(audit_log::list))
        .routes(routes!(audit_log::check));
    let mut described = OpenApiRouter::with_openapi(Description::openapi()).nest("/api", routes);
    tell_rights(described.get_openapi_mut());
    described
}

/// Writes each route's rule into its description.
fn tell_rights(description: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let methods = [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in methods {
            let Some(operation) = operation else { continue };
            let rule = match access::rule(method, path) {
                Some(access::Rule::Public) => "none",
                Some(access::Rule::SignedIn) => "signed_in",
                Some(access::Rule::Session) => "session",
                Some(access::Rule::Needs(right)) => right.as_str(),
                None => continue,
            };
            let told = utoipa::openapi::extensions::Extensions::builder().add("x-stopline-right", rule).build();
            operation.extensions.get_or_insert_default().merge(told);
        }
    }
}

pub(crate) fn router(app: &Arc<App>) -> Router {
    let (router, description) = described().split_for_parts();
    router
        .route("/api/openapi.json", get(move || std::future::ready(Json(description))))
        .route_layer(middleware::from_fn_with_state(app.clone(), access::check))
        .route("/api/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(|| std::future::ready(Problem::method_not_allowed()))
        .with_state(app.clone())
}

pub(crate) fn openapi_json() -> String {
    described().into_openapi().to_pretty_json().unwrap_or_default()
}

async fn nothing_here() -> Problem {
    Problem::not_found("The API has no such address; /api/openapi.json lists what there is.")
}
