//! Waiting for something to happen to one job.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bacalhau_protocol::ids::JobId;
use tokio::sync::watch;

use super::keys;
use super::read::{ReadError, Reader};
use crate::store::Watch;

/// Those who wait for news of jobs. One task follows the store for all of them, so that a change costs the same however
/// many wait for other jobs; there is none while nobody waits.
#[derive(Default)]
pub(super) struct Audience {
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    of: HashMap<JobId, watch::Sender<()>>,
    is_followed: bool,
}

/// Tells when something happened to a job since this was made.
pub struct News {
    audience: Arc<Audience>,
    job: JobId,
    /// Lives as long as this does.
    told: watch::Receiver<()>,
    /// Nobody tells anything any more.
    is_over: bool,
}

impl Reader {
    /// Follows a job from now on: what is read after this and shows nothing new is told by [`News::next`].
    pub async fn news(&self, id: &JobId) -> Result<News, ReadError> {
        if let Some(news) = self.audience.join(id) {
            return Ok(news);
        }
        let watch = self.watch_from_now().await?;
        Ok(self.audience.lead(id, watch))
    }
}

impl News {
    /// Waits for the next change. When changes can no longer be followed it ends once more, then never, so callers need
    /// a limit anyway.
    pub async fn next(&mut self) {
        if self.is_over {
            return std::future::pending().await;
        }
        self.is_over = self.told.changed().await.is_err();
    }
}

impl Drop for News {
    fn drop(&mut self) {
        // Left by the follower: its seat, if there is one again, is somebody else's.
        if self.told.has_changed().is_err() {
            return;
        }
        let mut seats = self.audience.seats();
        if seats.of.get(&self.job).is_some_and(|sender| sender.receiver_count() <= 1) {
            seats.of.remove(&self.job);
        }
    }
}

impl Audience {
    /// A seat, if the store is followed already. What happens from now on has not passed the follower yet.
    fn join(self: &Arc<Self>, id: &JobId) -> Option<News> {
        let mut seats = self.seats();
        seats.is_followed.then(|| self.seat(&mut seats, id))
    }

    /// A seat, and someone who follows the store, unless there is by now.
    fn lead(self: &Arc<Self>, id: &JobId, watch: Watch) -> News {
        let mut seats = self.seats();
        if !std::mem::replace(&mut seats.is_followed, true) {
            // It ends with the last of those who wait, or with the store.
            tokio::spawn(follow(self.clone(), watch));
        }
        self.seat(&mut seats, id)
    }

    fn seat(self: &Arc<Self>, seats: &mut Seats, id: &JobId) -> News {
        let sender = seats.of.entry(id.clone()).or_insert_with(|| watch::Sender::new(()));
        News { audience: self.clone(), job: id.clone(), told: sender.subscribe(), is_over: false }
    }

    /// Tells those who wait for one of the jobs; says whether anybody waits at all.
    fn tell(&self, jobs: &BTreeSet<&str>) -> bool {
        let mut seats = self.seats();
        let told = jobs.iter().filter_map(|job| seats.of.get(*job));
        told.for_each(|sender| sender.send_replace(()));
        seats.is_followed = !seats.of.is_empty();
        seats.is_followed
    }

    /// Changes can no longer be followed from where the follower was: everybody looks, and begins anew.
    fn leave(&self) {
        *self.seats() = Seats::default();
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow(audience: Arc<Audience>, mut watch: Watch) {
    while let Ok(batch) = watch.next().await {
        let jobs = batch.changes.iter().filter_map(|change| keys::job_with_news(&change.key)).collect();
        if !audience.tell(&jobs) {
            return;
        }
    }
    audience.leave();
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::store::{MemoryStore, Store, Txn};

    #[tokio::test]
    async fn each_hears_of_its_own_job_and_the_store_is_followed_while_somebody_waits() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let reader = Reader::new(store.clone());
        let [a, b] = ["a", "b"].map(|id| JobId::parse(id).unwrap());
        let happens = async |id: &JobId| {
            store.txn(Txn::new().put(keys::job(id), "x")).await.unwrap();
        };
        let (mut one, mut two) = (reader.news(&a).await.unwrap(), reader.news(&a).await.unwrap());
        let mut other = reader.news(&b).await.unwrap();

        // What happens before the wait counts too, and once.
        happens(&a).await;
        tokio::join!(one.next(), two.next());
        assert!(one.next().now_or_never().is_none() && other.next().now_or_never().is_none());
        drop(two);
        happens(&b).await;
        other.next().await;
        happens(&a).await;
        one.next().await;

        drop((one, other));
        assert!(reader.audience.seats().of.is_empty());
        happens(&a).await;
        while reader.audience.seats().is_followed {
            tokio::task::yield_now().await;
        }
        let mut again = reader.news(&a).await.unwrap();
        happens(&a).await;
        again.next().await;
    }

    #[tokio::test]
    async fn when_the_store_is_gone_everybody_looks_once_more() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let reader = Reader::new(store.clone());
        let mut news = reader.news(&JobId::parse("a").unwrap()).await.unwrap();
        reader.audience.leave();
        news.next().await;
        assert!(news.next().now_or_never().is_none());
    }
}
