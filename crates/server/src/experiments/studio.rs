//! What the command line does with experiments.

use std::io::Read;
use std::path::Path;

use experiment::Assignment;
use store::{CandidateFilter, ImportMode};

use super::export::ExportedCreatives;
use super::{
    CreativeRequest, ExperimentReport, ExperimentRequest, ExperimentView, ImportView, NextRequest, NextRound, Rule,
    SharesView,
};
use crate::error::ServeError;
use crate::studio::{Studio, every};

impl Studio {
    /// Keeps an experiment. Its campaign may be given by name; creatives are `ROW:NUMBER` of picks or ids of pictures. Blocks.
    pub fn new_experiment(
        &self,
        mut request: ExperimentRequest,
        creatives: &[String],
    ) -> Result<ExperimentView, ServeError> {
        let store = &self.app.store;
        if let Some(campaign) = &request.campaign {
            request.campaign = Some(store.find_campaign(campaign)?.id);
        }
        for creative in creatives {
            request.creatives.push(match (creative.rsplit_once(':'), &request.campaign) {
                (Some((row, number)), Some(campaign)) => {
                    let filter = CandidateFilter { row: Some(row.to_owned()), ..CandidateFilter::default() };
                    let (found, _) = store.candidates(campaign, &filter, 0, campaign::MAX_CANDIDATES)?;
                    let number = number.parse::<u32>().ok();
                    let found = found.into_iter().find(|one| one.position.checked_add(1) == number);
                    let shown: String = creative.chars().take(80).collect();
                    let message = format!("'{shown}' is no candidate of this campaign, such as 00001:2");
                    let id = found.ok_or(ServeError::Refused { message })?.id;
                    CreativeRequest { candidate: Some(id), ..CreativeRequest::default() }
                }
                _ => CreativeRequest { asset: Some(creative.clone()), ..CreativeRequest::default() },
            });
        }
        let experiment = super::create(&self.app, &request)?;
        Ok(ExperimentView::of(&self.app, experiment)?)
    }

    /// All experiments, the newest first. Blocks.
    pub fn experiments(&self) -> Result<Vec<ExperimentView>, ServeError> {
        let experiments = every(|offset, limit| self.app.store.experiments(None, offset, limit))?;
        Ok(experiments.into_iter().map(|one| ExperimentView::of(&self.app, one)).collect::<Result<_, _>>()?)
    }

    /// Writes the creatives of an experiment, by name or id, into a folder, with a list of them. Blocks.
    pub fn export_experiment(&self, name: &str, folder: &Path) -> Result<ExportedCreatives, ServeError> {
        super::write_folder(&self.app, &self.app.store.find_experiment(name)?, folder)
    }

    /// Takes a file of results, all of it or nothing. Blocks.
    pub fn import_results(
        &self,
        name: &str,
        csv: &mut dyn Read,
        assignment: Assignment,
        mode: ImportMode,
    ) -> Result<ImportView, ServeError> {
        let id = self.app.store.find_experiment(name)?.id;
        Ok(super::import(&self.app, &id, csv, assignment, mode)?)
    }

    /// What an experiment says, and, where that can be said, how to share out the next people. Blocks.
    pub fn experiment_report(&self, name: &str) -> Result<(ExperimentReport, Option<SharesView>), ServeError> {
        let experiment = self.app.store.find_experiment(name)?;
        let shares = super::shares(&self.app, &experiment, Rule::default(), None).ok();
        Ok((super::report(&self.app, &experiment)?, shares))
    }

    /// Makes the campaign of the next round. Blocks.
    pub fn next_round(&self, name: &str, request: &NextRequest) -> Result<NextRound, ServeError> {
        Ok(super::next(&self.app, &self.app.store.find_experiment(name)?, request)?)
    }
}
