//! Voters by counts: how many come, how many get past the gateway and Lambda, and who comes again.

use std::{collections::BTreeMap, rc::Rc};

use landslide_aws::sdk::{ATTEMPTS_MAX, FIRST_PAUSE};

use crate::{
    allowance::Allowance,
    measures::{Limit, add},
    model::Model,
    parameters::Parameters,
    relay,
    world::World,
};

/// For how long the gateway lets unused requests gather, in milliseconds.
const BURST_MS: u64 = 1_000;

/// Voters of one logical partition who do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    logical: usize,
    count: u64,
    /// How often they have asked in vain.
    refusals: usize,
    /// How often their write was refused in this request.
    attempts: u32,
}

/// Environments of the functions of a request.
struct Environments {
    started: u64,
    most: u64,
    more: Allowance,
}

impl Environments {
    fn new(parameters: &Parameters) -> Self {
        let functions = if parameters.new_devices { 3 } else { 2 };
        let more = Allowance::new(parameters.environments_per_10_s / 10, 10_000);
        Self { started: 0, most: parameters.account_concurrency / functions, more }
    }

    /// Returns how many of a tick's `wanted` requests find an environment. Starts those that are missing.
    fn take(&mut self, world: &World, wanted: u64) -> u64 {
        let per_second = world.parameters.environment_requests_per_second;
        let needed = (wanted * 1_000).div_ceil(world.parameters.tick_ms * per_second).min(self.most);
        self.started += self.more.take_up_to(needed.saturating_sub(self.started), world.now_ms());
        wanted.min(self.started * per_second * world.parameters.tick_ms / 1_000)
    }
}

/// Lets the voters come, until the last has voted or given up.
pub async fn come(model: Rc<Model>) {
    let parameters = &model.world.parameters;
    let gateway = Allowance::new(parameters.gateway_per_second, BURST_MS);
    let mut environments = Environments::new(parameters);
    // Who does something next, by when.
    let mut asking: BTreeMap<u64, Vec<Group>> = BTreeMap::new();
    let mut writing: BTreeMap<u64, Vec<Group>> = BTreeMap::new();
    loop {
        let now = model.world.now_ms();
        let mut crowd = newcomers(&model.world, now);
        crowd.extend(due(&mut asking, now));
        let requests = size(&crowd);
        add(&model.world.measures.counts.requests, requests);
        model.world.measures.at(now, |second| second.requests += requests);

        let (through, refused) = admit(&model.world, crowd, gateway.take_up_to(requests, now), Limit::Gateway);
        come_again(&model.world, &mut asking, refused);
        add(&model.world.measures.counts.through_gateway, size(&through));
        let served = environments.take(&model.world, size(&through));
        let (mut writers, refused) = admit(&model.world, through, served, Limit::Environments);
        come_again(&model.world, &mut asking, refused);

        writers.extend(due(&mut writing, now));
        for group in turned(writers, model.world.draw(parameters.logical() as u64) as usize) {
            let count = model.votes.store(&model.world, (group.logical, model.lane_of(group.logical)), group.count);
            let refused = Group { count, attempts: group.attempts + 1, ..group };
            if count > 0 && refused.attempts < ATTEMPTS_MAX {
                let pause = model.world.draw((FIRST_PAUSE.as_millis() as u64) << group.attempts);
                writing.entry(now + parameters.tick_ms.max(pause)).or_default().push(refused);
            } else if count > 0 {
                come_again(&model.world, &mut asking, vec![refused]);
            }
        }
        model.votes.after_tick(&model.world, parameters.tick_ms, |shard| {
            model.world.executor.spawn(relay::read_shard(model.clone(), shard));
        });
        if now >= parameters.peak_ends_ms() && asking.is_empty() && writing.is_empty() {
            return model.votes.shards().iter().for_each(|shard| shard.close());
        }
        model.world.executor.sleep(parameters.tick_ms).await;
    }
}

fn newcomers(world: &World, now_ms: u64) -> Vec<Group> {
    let expected = world.parameters.rate_at(now_ms) * world.parameters.tick_ms as f64 / 1_000.0;
    let logical = world.parameters.logical();
    let mut counts = vec![0; logical];
    for _ in 0..world.draw_poisson(expected) {
        counts[world.draw(logical as u64) as usize] += 1;
    }
    let groups = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    groups.map(|(logical, count)| Group { logical, count, refusals: 0, attempts: 0 }).collect()
}

fn due(waiting: &mut BTreeMap<u64, Vec<Group>>, now_ms: u64) -> Vec<Group> {
    let later = waiting.split_off(&(now_ms + 1));
    merged(std::mem::replace(waiting, later).into_values().flatten().collect())
}

/// As few groups as can be.
fn merged(mut groups: Vec<Group>) -> Vec<Group> {
    let same = |group: &Group| (group.logical, group.refusals, group.attempts);
    groups.sort_unstable_by_key(same);
    groups.dedup_by(|next, kept| {
        let is_same = same(next) == same(kept);
        kept.count += if is_same { next.count } else { 0 };
        is_same
    });
    groups
}

fn size(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.count).sum()
}

/// The groups, beginning somewhere else, so that no partition is always served first.
fn turned(mut groups: Vec<Group>, by: usize) -> Vec<Group> {
    let by = by % groups.len().max(1);
    groups.rotate_left(by);
    groups
}

/// Splits a crowd at a limit that lets `most` voters through: those who pass, and those who do not. Every group has the
/// same share in both.
fn admit(world: &World, crowd: Vec<Group>, most: u64, limit: Limit) -> (Vec<Group>, Vec<Group>) {
    let total = size(&crowd);
    if total <= most {
        return (crowd, Vec::new());
    }
    world.met(limit, total - most);
    let share = most as f64 / total as f64;
    crowd
        .into_iter()
        .map(|group| {
            let count = world.round(group.count as f64 * share).min(group.count);
            (Group { count, ..group }, Group { count: group.count - count, ..group })
        })
        .unzip()
}

/// Has the refused come again after a while, but for those who have had enough.
fn come_again(world: &World, asking: &mut BTreeMap<u64, Vec<Group>>, refused: Vec<Group>) {
    let now = world.now_ms();
    for group in refused.into_iter().filter(|group| group.count > 0) {
        world.measures.at(now, |second| second.refused += group.count);
        let again = Group { refusals: group.refusals + 1, attempts: 0, ..group };
        if again.refusals < world.parameters.voter_tries {
            let pause = world.parameters.voter_pause_ms + world.draw(world.parameters.voter_pause_ms);
            asking.entry(now + pause).or_default().push(again);
        } else {
            add(&world.measures.counts.given_up, group.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_come_in_a_ramp_a_peak_and_a_drop() {
        let parameters = Parameters { ramp_s: 10, peak_s: 20, peak_votes_per_second: 1_000.0, ..Parameters::default() };
        let rates = [0, 5_000, 10_000, 29_999, 30_000].map(|now| parameters.rate_at(now));
        assert_eq!(rates, [0.0, 500.0, 1_000.0, 1_000.0, 0.0]);
    }

    #[test]
    fn a_limit_admits_all_groups_alike_and_loses_nobody() {
        let model = Model::new(Parameters::default());
        let group = |logical| Group { logical, count: 1_000, refusals: 0, attempts: 0 };
        let (through, refused) = admit(&model.world, vec![group(1), group(2)], 500, Limit::Gateway);
        assert_eq!(size(&through) + size(&refused), 2_000);
        assert!(through.iter().all(|group| group.count.abs_diff(250) <= 1));
    }

    #[test]
    fn whoever_is_refused_comes_again_and_gives_up_in_the_end() {
        let model = Model::new(Parameters { gateway_per_second: 0, ramp_s: 0, peak_s: 1, ..Parameters::default() });
        model.world.executor.spawn(come(model.clone()));
        assert!(model.world.executor.run(u64::MAX));
        let counts = &model.world.measures.counts;
        let voters = counts.given_up.get();
        assert!(voters.abs_diff(60_000) < 2_000, "{voters}");
        assert_eq!((counts.requests.get(), counts.accepted.get()), (voters * 4, 0));
    }
}
