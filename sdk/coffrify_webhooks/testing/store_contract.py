"""What every store promises, as a test suite: subclass it, and prove your own store with it.

    from coffrify_webhooks.testing.store_contract import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore("...")
            yield store
            store.close()

The `store` of each test starts empty. Where the store's clock can be set, override the fixture
`advance` as well, and the suite does not wait; else it does, for some tens of seconds in all.
Needs pytest.
"""

from coffrify_webhooks.stores import Store

from .contract.base import Advance
from .contract.claims import ClaimContract
from .contract.engines import EngineContract
from .contract.records import RecordContract
from .contract.retention import RetentionContract
from .contract.search import SearchContract

__all__ = ["Advance", "StoreContract"]


class StoreContract(
    ClaimContract, EngineContract, RetentionContract, RecordContract, SearchContract
):
    """Each test states one promise of `coffrify_webhooks.Store`."""

    def test_is_a_store(self, store: Store) -> None:
        """The built-in stores satisfy the public protocol."""
        assert isinstance(store, Store)
