//! The tokens of devices, which the page's cookie holds.

use lambda_http::Error as LambdaError;
use landslide_aws::{config, random, sdk};
use landslide_domain::{error::Error, time::Timestamp};
use landslide_identity::{
    device_keys::{DeviceKeys, read_device_keys},
    token::{DeviceIssuer, KeySet, Token},
};

use crate::voter::Voter;

/// Issues devices their tokens, and knows them again.
pub struct Devices {
    issuer: DeviceIssuer,
    keys: KeySet,
}

impl Devices {
    /// With the keys that the environment configures.
    pub async fn from_env() -> Result<Self, LambdaError> {
        Ok(Self::new(&read_device_keys(&sdk::sdk_config()?, &config::text("DEVICE_SECRET")?).await?))
    }

    /// With these keys.
    pub fn new(keys: &DeviceKeys) -> Self {
        Self { issuer: DeviceIssuer::new(keys.signing()), keys: KeySet::of_devices(keys) }
    }

    /// The device that a token names, by the rules of the gateway's authorizer. `None` if it is not valid.
    pub(crate) fn voter(&self, token: &str) -> Option<Voter> {
        let caller = self.keys.verify(&Token::read(token).ok()?).ok()?;
        Some(Voter { caller, mark: token.to_owned() })
    }

    /// A token for a new device.
    pub fn issue(&self, now: Timestamp) -> Result<String, Error> {
        let issued = self.issuer.issue(random::bytes()?, now);
        issued.map(|(token, _)| token).map_err(|error| Error::Internal(format!("sign token: {error}")))
    }
}
