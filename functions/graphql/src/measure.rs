//! Measures a parsed query before anything of it runs: what it costs, how deep and how wide it is.
//!
//! Fragments are followed wherever they are spread, so that what is measured is what would run. Fields that are skipped by a
//! directive, and lists that turn out to be empty, cost the same.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{
    Name, Positioned, ServerError, Value as ConstValue, Variables,
    parser::types::{
        Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

use crate::{
    costs::{Costs, FieldCost, Pages},
    refusal::{over_budget, over_limit, refusal},
    schema::takes,
};

/// The most fragments that are spread within each other.
const SPREADS_MAX: u64 = 8;

/// All directives that there are.
const DIRECTIVES: [&str; 2] = ["skip", "include"];

/// What a query asks for, by the names of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Items that are read for it in the database, at the most.
    pub cost: u64,
    figures: BTreeMap<String, u64>,
}

#[cfg(test)]
impl Measured {
    /// A figure by the name of its limit.
    pub fn figure(&self, name: &str) -> u64 {
        self.figures.get(name).copied().unwrap_or_default()
    }
}

/// Measures the document's one operation, which may be a mutation if it `may_change` something. Fails if it may not run.
pub fn measure(
    document: &ExecutableDocument,
    variables: &Variables,
    costs: &Costs,
    may_change: bool,
) -> Result<Measured, ServerError> {
    let operation = only_operation(document, may_change)?;
    let is_mutation = operation.ty == OperationType::Mutation;
    let measured = Measured::default();
    let mut walk = Walk { document, operation, is_mutation, variables, costs, changes: BTreeSet::new(), measured };
    walk.directives(&operation.directives)?;
    for variable in &operation.variable_definitions {
        let variable = &variable.node;
        walk.directives(&variable.directives)?;
        let (name, must_have) = (&variable.name.node, !variable.var_type.node.nullable);
        let value = if must_have || is_mutation { walk.variable(name) } else { None };
        if must_have && value.as_ref().is_none_or(|value| *value == ConstValue::Null) {
            return Err(refused(format!("The variable {name} needs a value.")));
        }
        // The library would take null for it, which clears a setting that was to stay.
        if is_mutation && value.is_none() {
            return Err(refused(format!("The variable {name} needs a value or a default. It may be null.")));
        }
    }
    walk.selections(&operation.selection_set.node, At::root(is_mutation))?;
    let cost = walk.measured.cost;
    match costs.limit("cost") {
        limit if cost > limit => Err(over_budget(cost, limit)),
        _ => Ok(walk.measured),
    }
}

fn only_operation(document: &ExecutableDocument, may_change: bool) -> Result<&OperationDefinition, ServerError> {
    let mut operations = document.operations.iter();
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else {
        return Err(refused("The document must have one operation."));
    };
    match operation.node.ty {
        OperationType::Query => Ok(&operation.node),
        OperationType::Mutation if may_change => Ok(&operation.node),
        OperationType::Mutation => Err(refused("A mutation must be sent as a text.")),
        OperationType::Subscription => Err(refused("There are no subscriptions.")),
    }
}

fn refused(message: impl Into<String>) -> ServerError {
    refusal("invalid_request", message)
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct At<'a> {
    /// The type whose fields are selected, if it is known.
    object: Option<&'a str>,
    depth: u64,
    spreads: u64,
    /// Objects of this type, at the most.
    times: u64,
    is_in_list: bool,
}

impl At<'_> {
    fn root(is_mutation: bool) -> Self {
        let object = if is_mutation { "Mutation" } else { "Query" };
        Self { object: Some(object), depth: 1, spreads: 0, times: 1, is_in_list: false }
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    is_mutation: bool,
    variables: &'a Variables,
    costs: &'a Costs,
    /// The mutations, by their names in the answer.
    changes: BTreeSet<&'a str>,
    measured: Measured,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet, at: At<'a>) -> Result<(), ServerError> {
        for selection in &set.items {
            // Fragments count too: without any field they could still be spread without end.
            self.count("fields", 1)?;
            self.directives(selection.node.directives())?;
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, at)?,
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|on| on.node.on.node.as_str());
                    self.selections(&fragment.node.selection_set.node, At { object: on.or(at.object), ..at })?;
                }
                Selection::FragmentSpread(spread) => self.spread(&spread.node.fragment_name.node, at)?,
            }
        }
        Ok(())
    }

    /// Follows a fragment. One that does not exist is left to the validation.
    fn spread(&mut self, name: &Name, at: At<'a>) -> Result<(), ServerError> {
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(()) };
        if at.spreads == SPREADS_MAX {
            return Err(over_limit("fragments_in_fragments", at.spreads, SPREADS_MAX));
        }
        self.directives(&fragment.node.directives)?;
        let object = Some(fragment.node.type_condition.node.on.node.as_str());
        self.selections(&fragment.node.selection_set.node, At { object, spreads: at.spreads + 1, ..at })
    }

    fn field(&mut self, field: &'a Field, at: At<'a>) -> Result<(), ServerError> {
        let name = field.name.node.as_str();
        if name.starts_with("__") && name != "__typename" {
            let message = "Introspection is off. The schema is at GET /v1/graphql/schema.";
            return Err(refusal("introspection_off", message));
        }
        let depth_max = self.costs.limit("depth");
        if at.depth > depth_max {
            return Err(over_limit("depth", at.depth, depth_max));
        }
        self.count("aliases", field.alias.iter().len() as u64)?;
        if self.is_mutation && at.depth == 1 && name != "__typename" {
            self.change(field)?;
        }
        let costs = self.costs;
        let known = at.object.and_then(|object| costs.field(object, name));
        let items = known.and_then(|known| known.items).unwrap_or(1);
        let times = at.times.saturating_mul(items);
        self.count("values", times)?;
        let Some(known) = known else {
            return self.selections(&field.selection_set.node, At { object: None, depth: at.depth + 1, ..at });
        };
        self.add_cost(known, at);
        if let Some(limit) = &known.counted_as {
            self.count(limit, at.times)?;
        }
        let inside = At {
            object: known.object.as_deref(),
            depth: at.depth + 1,
            times,
            is_in_list: at.is_in_list || known.pages.is_some(),
            ..at
        };
        let Some(pages) = &known.pages else { return self.selections(&field.selection_set.node, inside) };
        let page = self.page(field, pages)?;
        self.measured.cost = self.measured.cost.saturating_add(at.times.saturating_mul(page * pages.reads));
        self.selections(&field.selection_set.node, At { times: times.saturating_mul(page), ..inside })
    }

    /// Notes a mutation. Fails if there is one of this name in the answer, as GraphQL would run both as one and the library runs
    /// one after the other; or if it does not take an argument's value.
    fn change(&mut self, field: &'a Field) -> Result<(), ServerError> {
        let name = field.alias.as_ref().unwrap_or(&field.name).node.as_str();
        if !self.changes.insert(name) {
            let message = format!("There is more than one mutation {name}. Give each a name of its own by an alias.");
            return Err(refused(message));
        }
        for (argument, value) in &field.arguments {
            let value = value.node.clone().into_const_with(|name| self.variable(&name).ok_or(()));
            // A variable that is not declared is left to the validation.
            if value.is_ok_and(|value| !takes(&field.name.node, &argument.node, value)) {
                return Err(refused(format!("The argument {} of {name} is not of its type.", argument.node)));
            }
        }
        Ok(())
    }

    fn add_cost(&mut self, known: &FieldCost, at: At<'a>) {
        let in_list = if at.is_in_list { known.reads_in_list } else { 0 };
        let units = known.reads + in_list + known.writes * self.costs.units_of_a_write;
        self.measured.cost = self.measured.cost.saturating_add(at.times.saturating_mul(units));
    }

    /// How many items a page has.
    fn page(&self, field: &Field, pages: &Pages) -> Result<u64, ServerError> {
        let given = field.get_argument(&pages.argument).map(|value| value.node.clone());
        // A variable without a value is an argument that is absent.
        let given = given.and_then(|value| value.into_const_with(|name| self.variable(&name).ok_or(())).ok());
        let size = match given {
            None => Some(pages.default),
            Some(ConstValue::Number(number)) => number.as_u64(),
            Some(_) => None,
        };
        let size = size.filter(|size| (1..=pages.max).contains(size));
        size.ok_or_else(|| refused(format!("The argument {} must be from 1 to {}.", pages.argument, pages.max)))
    }

    /// A variable's value, or its default.
    fn variable(&self, name: &Name) -> Option<ConstValue> {
        let definitions = || self.operation.variable_definitions.iter();
        let default = || definitions().find(|it| it.node.name.node == *name)?.node.default_value.as_ref();
        self.variables.get(name).or_else(|| default().map(|value| &value.node)).cloned()
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
        self.count("directives", directives.len() as u64)?;
        // The validation lets others pass.
        let unknown = directives
            .iter()
            .map(|directive| &directive.node.name.node)
            .find(|name| !DIRECTIVES.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(refused(format!("There is no directive @{name}."))))
    }

    /// Counts for a limit. Fails over it, so that the walk ends there.
    fn count(&mut self, limit: &str, more: u64) -> Result<(), ServerError> {
        if more == 0 {
            return Ok(());
        }
        let of_mutations = Some(&self.costs.limits_of_mutations).filter(|_| self.is_mutation);
        let known = of_mutations.and_then(|limits| limits.get_key_value(limit));
        let Some((name, max)) = known.or_else(|| self.costs.limits.get_key_value(limit)) else {
            return Err(refused(format!("There is no limit {limit}.")));
        };
        let figure = match self.measured.figures.get_mut(limit) {
            Some(figure) => figure,
            None => self.measured.figures.entry(limit.to_owned()).or_default(),
        };
        *figure = figure.saturating_add(more);
        if *figure > *max { Err(over_limit(name, *figure, *max)) } else { Ok(()) }
    }
}
