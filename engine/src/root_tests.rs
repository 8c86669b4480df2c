//! How many roots are tested on a node at once. A test opens connections to where its caller says, and may take half a
//! minute, or twice that where new credentials must open what a root wrapped as well: without a bound, whoever may test
//! a root could have any number of them open. What a test does to a root asks for its [`Place`]: none goes without.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::id::TenantHandle;

use crate::refused::Refused;

/// Tests at once on a node: a PKCS#11 root is tested by a process of its own, which may use 2 GiB of address space.
const AT_ONCE: usize = 16;
/// Tests at once for one tenant: a person and a script or two. The others have places left.
const OF_TENANT: usize = 4;

/// The tests under way, by tenant.
#[derive(Default)]
pub(crate) struct RootTests(Mutex<HashMap<TenantHandle, usize>>);

/// A test under way, until this is dropped.
pub(crate) struct Place<'a> {
    tests: &'a RootTests,
    tenant: TenantHandle,
}

impl RootTests {
    /// A place for a test.
    ///
    /// # Errors
    /// [`Refused::NotNow`] if all are taken.
    pub fn begin(&self, tenant: TenantHandle) -> Result<Place<'_>, Refused> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = under_way.get(&tenant).copied().unwrap_or_default();
        let full = |reason: String| Err(Refused::NotNow { reason });
        if of_tenant >= OF_TENANT {
            return full(format!("it tests {OF_TENANT} roots of this tenant already"));
        }
        if under_way.values().sum::<usize>() >= AT_ONCE {
            return full(format!("it tests {AT_ONCE} roots already"));
        }
        under_way.insert(tenant, of_tenant + 1);
        Ok(Place { tests: self, tenant })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = self.tests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_tenant) = under_way.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                under_way.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_its_places_all_take_all_and_each_is_given_back() {
        let tests = RootTests::default();
        let tenant = |number: usize| TenantHandle([u8::try_from(number).expect("few"), 0, 0, 0]);
        let begin = |number: usize| tests.begin(tenant(number)).map_err(|refused| refused.to_string());
        let mut places: Vec<_> = (0..OF_TENANT).map(|_| begin(0).expect("a place")).collect();
        let refused = begin(0).err().expect("no place is left");
        assert!(refused.contains("tests 4 roots of this tenant already; retry"), "{refused}");
        places.extend((OF_TENANT..AT_ONCE).map(|test| begin(test / OF_TENANT).expect("a place")));
        let refused = begin(9).err().expect("no place is left");
        assert!(refused.contains("tests 16 roots already"), "{refused}");
        places.pop();
        drop(begin(9).expect("the place that was given back"));
        places.clear();
        assert!(tests.0.lock().expect("nobody panicked").is_empty());
    }
}
