import ipaddress

import pytest

from pipeline.domain.errors import InputFault, OutcomeUnknown
from pipeline.provider.addresses import is_public
from pipeline.provider.download import resolve
from tests.provider.hosts import PNG
from tests.provider.names import PUBLIC, Names, downloader, serving

pytestmark = pytest.mark.anyio
FORMS = [
    # IPv4 in its usual form
    "http://127.0.0.1/x.png",
    "http://127.1.2.3/x.png",
    "http://10.0.0.1/x.png",
    "http://172.16.0.1/x.png",
    "http://192.168.1.1/x.png",
    "http://169.254.169.254/latest/meta-data",
    "http://0.0.0.0/x.png",
    "http://100.64.0.1/x.png",
    "http://192.0.0.1/x.png",
    "http://198.18.0.1/x.png",
    "http://192.0.2.1/x.png",
    "http://203.0.113.7/x.png",
    "http://224.0.0.1/x.png",
    "http://240.0.0.1/x.png",
    "http://255.255.255.255/x.png",
    "http://192.88.99.1/x.png",
    # IPv4 in disguise
    "http://2130706433/x.png",
    "http://0x7f000001/x.png",
    "http://017700000001/x.png",
    "http://0x7f.0.0.1/x.png",
    "http://0177.0.0.1/x.png",
    "http://127.1/x.png",
    "http://127.0.0.1./x.png",
    "http://1.1/x.png",
    # IPv6
    "http://[::1]/x.png",
    "http://[::]/x.png",
    "http://[::ffff:127.0.0.1]/x.png",
    "http://[::ffff:7f00:1]/x.png",
    "http://[::127.0.0.1]/x.png",
    "http://[::ffff:0:127.0.0.1]/x.png",
    "http://[64:ff9b::7f00:1]/x.png",
    "http://[64:ff9b:1::7f00:1]/x.png",
    "http://[2002:7f00:1::]/x.png",
    "http://[2001:0:7f00:1::]/x.png",
    "http://[fe80::1]/x.png",
    "http://[fe80::1%25eth0]/x.png",
    "http://[fc00::1]/x.png",
    "http://[fec0::1]/x.png",
    "http://[ff02::1]/x.png",
    "http://[2001:db8::1]/x.png",
    "http://[100::1]/x.png",
    # names
    "http://localhost/x.png",
    "http://LOCALHOST./x.png",
    "http://internal.test/x.png",
    "http://both.test/x.png",
    "http://six.test/x.png",
    "http://nat64.test/x.png",
    "http://nowhere.test/x.png",
    # spellings
    "http://user@public.test/x.png",
    "http://user:pass@public.test/x.png",
    "http://public.test@127.0.0.1/x.png",
    "http://127.0.0.1#@public.test/x.png",
    "http://127.0.0.1\\@public.test/x.png",
    "http://public.test\r\nHost: 127.0.0.1/x.png",
    "http://public.test/x.png\r\nX-Evil: 1",
    "http://public.test\t/x.png",
    "http://127%2e0%2e0%2e1/x.png",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/x.png",
    "http://b\u00fccher.test/x.png",
    "http://public.test:0/x.png",
    "http://public.test:99999/x.png",
    "http://public.test:http/x.png",
    "http:///x.png",
    "http://public..test/x.png",
    "http://" + "a" * 64 + ".test/x.png",
    "http://-public.test/x.png",
    "http://" + "a" * 20_000 + ".test/x.png",
    "http://-/x .png",
    "file:///etc/passwd",
    "ftp://public.test/x.png",
    "gopher://public.test/x",
    "data:image/png;base64,AAAA",
    "//public.test/x.png",
    "/etc/passwd",
    "",
    "http://[::1",
]


@pytest.mark.parametrize("url", FORMS)
async def test_no_form_of_an_address_leads_to_a_private_place(url: str) -> None:
    host = serving()
    with pytest.raises(OutcomeUnknown):
        await downloader(host).fetch(url)
    with pytest.raises(InputFault):
        await downloader(host).fetch_input(url)
    assert host.requests == []


async def test_a_name_that_turns_private_after_the_check_changes_nothing() -> None:
    host, names = serving(), Names()
    assert await downloader(host, resolve=names).fetch("http://rebinding.test/x.png") == PNG
    assert names.asked == ["rebinding.test"]
    assert host.requests[-1].url.host == PUBLIC


async def test_the_system_s_resolver_gives_addresses() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "93.184.216.34", "2606:4700::6810:1", "2a00:1450:4001:830::200e", "1.1.1.1"]
)
def test_ordinary_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
