//! Which organisation an account acts for, and in which role, as its token says.
//!
//! Only the issuer's configuration says which claims are read. They are read from a token that is verified already.

use std::collections::BTreeMap;

use landslide_domain::{
    role::Role,
    tenant::{Tenant, TenantKind},
};
use serde_json::Value;

/// The claims that carry organisation and role: names, or JSON pointers (RFC 6901) that begin with a slash.
#[derive(Debug, PartialEq, Eq)]
pub struct MembershipClaims {
    /// The claim with the organisation's id.
    pub organisation: String,
    /// The claim with the role.
    pub role: String,
    /// The issuer's words for roles. If empty, they are ours.
    pub roles: BTreeMap<String, Role>,
}

/// For whom an account acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// For itself.
    Account,
    /// For an organisation. Without a role it may do nothing.
    Organisation {
        /// The organisation's id.
        id: String,
        /// The role in it.
        role: Option<Role>,
    },
    /// For an organisation whose id is not a valid one, and so for nobody.
    Unreadable,
}

impl MembershipClaims {
    /// Reads the claims of an issuer's token. A token without an organisation acts for the account itself.
    pub fn read(&self, issuer: &str, claims: &[u8]) -> Membership {
        let claims: Value = serde_json::from_slice(claims).unwrap_or_default();
        let id = match claim(&claims, &self.organisation) {
            None | Some(Value::Null) => return Membership::Account,
            Some(Value::String(id)) => id,
            Some(_) => return Membership::Unreadable,
        };
        match Tenant::new(issuer, TenantKind::Organisation, id) {
            Some(tenant) => Membership::Organisation { id: tenant.value, role: self.role(&claims) },
            None => Membership::Unreadable,
        }
    }

    fn role(&self, claims: &Value) -> Option<Role> {
        let word = claim(claims, &self.role)?.as_str()?;
        if self.roles.is_empty() { Role::parse(word) } else { self.roles.get(word).copied() }
    }
}

fn claim<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(organisation: &str, role: &str) -> MembershipClaims {
        MembershipClaims { organisation: organisation.to_owned(), role: role.to_owned(), roles: BTreeMap::new() }
    }

    fn read(claims: &MembershipClaims, token: Value) -> Membership {
        claims.read("https://id.example.org", token.to_string().as_bytes())
    }

    fn organisation(role: Option<Role>) -> Membership {
        Membership::Organisation { id: "acme".to_owned(), role }
    }

    #[test]
    fn a_token_names_organisation_and_role_by_name_or_by_pointer() {
        let flat = read(&claims("org_id", "role"), json!({"org_id": "acme", "role": "editor"}));
        let nested = read(&claims("/o/id", "/o/rol"), json!({"o": {"id": "acme", "rol": "editor"}}));
        assert_eq!((flat, nested), (organisation(Some(Role::Editor)), organisation(Some(Role::Editor))));
    }

    #[test]
    fn a_missing_or_unknown_role_is_no_role() {
        for role in
            [json!(null), json!("admin"), json!("Owner"), json!(""), json!(["owner"]), json!({"owner": true}), json!(1)]
        {
            assert_eq!(read(&claims("org_id", "role"), json!({"org_id": "acme", "role": role})), organisation(None));
        }
        assert_eq!(read(&claims("org_id", "role"), json!({"org_id": "acme"})), organisation(None));
    }

    #[test]
    fn an_issuers_own_words_for_roles_are_the_only_ones() {
        let roles = BTreeMap::from([("org:admin".to_owned(), Role::Owner)]);
        let claims = MembershipClaims { roles, ..claims("org_id", "role") };
        assert_eq!(read(&claims, json!({"org_id": "acme", "role": "org:admin"})), organisation(Some(Role::Owner)));
        assert_eq!(read(&claims, json!({"org_id": "acme", "role": "owner"})), organisation(None));
    }

    #[test]
    fn without_an_organisation_an_account_acts_for_itself() {
        for token in [json!({"role": "owner"}), json!({"org_id": null, "role": "owner"}), json!({"/org_id": "acme"})] {
            assert_eq!(read(&claims("org_id", "role"), token), Membership::Account);
        }
    }

    #[test]
    fn an_organisation_that_is_no_id_is_nobody() {
        let long = "x".repeat(256);
        for id in [json!(""), json!(7), json!(["acme"]), json!({"id": "acme"}), json!(true), json!("a\tb"), json!(long)]
        {
            assert_eq!(read(&claims("org_id", "role"), json!({"org_id": id, "role": "owner"})), Membership::Unreadable);
        }
    }
}
