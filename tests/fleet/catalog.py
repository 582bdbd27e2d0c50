"""Data for the fleet: plugins and their releases, clients, sites and people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plugin:
    """A plugin with its releases, oldest first; each site has one of the older ones."""

    ident: str
    name: str
    author: str
    releases: tuple[str, ...]
    requires_php: str = "7.4"


@dataclass(frozen=True)
class Client:
    """A client with its tags, the names of its websites, and its contact."""

    name: str
    tags: tuple[str, ...]
    websites: tuple[str, ...]
    contact: str
    approvals: str = "self"

    @property
    def email(self) -> str:
        """Return the address of the contact."""
        first_name, company = self.contact.split()[0], self.name.split()[0]
        return f"{first_name}@{company}.example".lower()


@dataclass(frozen=True)
class Theme:
    """A theme with its releases, oldest first."""

    ident: str
    name: str
    author: str
    releases: tuple[str, ...]


def _plugin(ident: str, name: str, author: str, releases: str, php: str = "7.4") -> Plugin:
    return Plugin(ident, name, author, tuple(releases.split()), php)


AGENCY = "Fernwood Digital"

# On nearly every site; the rest of the thirteen are drawn.
COMMON = (
    _plugin("wordpress-seo/wp-seo.php", "Yoast SEO", "Team Yoast", "26.4 26.5 26.6 26.7"),
    _plugin("wordfence/wordfence.php", "Wordfence Security", "Wordfence", "8.1.2 8.1.3 8.1.4"),
    _plugin("updraftplus/updraftplus.php", "UpdraftPlus", "TeamUpdraft", "1.25.8 1.25.9 1.26.0"),
    _plugin(
        "contact-form-7/wp-contact-form-7.php",
        "Contact Form 7",
        "Takayuki Miyoshi",
        "6.1.2 6.1.3 6.1.4",
    ),
)
SHOP = (
    _plugin(
        "woocommerce/woocommerce.php", "WooCommerce", "Automattic", "10.3.5 10.4.2 10.4.3 11.0.0"
    ),
    _plugin(
        "woocommerce-gateway-stripe/woocommerce-gateway-stripe.php",
        "WooCommerce Stripe Gateway",
        "Stripe",
        "10.1.0 10.2.0 10.2.1",
    ),
    _plugin(
        "woocommerce-pdf-invoices-packing-slips/woocommerce-pdf-invoices-packingslips.php",
        "PDF Invoices & Packing Slips for WooCommerce",
        "WP Overnight",
        "4.9.1 5.0.0 5.0.1",
    ),
)
OTHERS = (
    _plugin("akismet/akismet.php", "Akismet Anti-spam", "Automattic", "5.4 5.5 5.6"),
    _plugin("jetpack/jetpack.php", "Jetpack", "Automattic", "15.2 15.3 15.3.1", "7.2"),
    _plugin("elementor/elementor.php", "Elementor", "Elementor.com", "3.33.1 3.33.4 3.34.0"),
    _plugin(
        "advanced-custom-fields/acf.php", "Advanced Custom Fields", "WP Engine", "6.6.2 6.7.0"
    ),
    _plugin("redirection/redirection.php", "Redirection", "John Godley", "5.5.2 5.6.0 5.6.1"),
    _plugin(
        "litespeed-cache/litespeed-cache.php",
        "LiteSpeed Cache",
        "LiteSpeed Technologies",
        "7.6.1 7.6.2 7.7",
    ),
    _plugin("wp-super-cache/wp-cache.php", "WP Super Cache", "Automattic", "3.0.2 3.0.3"),
    _plugin("wpforms-lite/wpforms.php", "WPForms Lite", "WPForms", "1.9.8.4 1.9.8.7 1.9.9.0"),
    _plugin(
        "google-analytics-for-wordpress/googleanalytics.php",
        "MonsterInsights",
        "MonsterInsights",
        "9.10.0 9.11.0 9.11.1",
    ),
    _plugin(
        "google-site-kit/google-site-kit.php", "Site Kit by Google", "Google", "1.167.0 1.168.0"
    ),
    _plugin(
        "mailchimp-for-wp/mailchimp-for-wp.php", "MC4WP: Mailchimp", "ibericode", "4.10.8 4.10.9"
    ),
    _plugin(
        "wp-mail-smtp/wp_mail_smtp.php", "WP Mail SMTP", "WP Mail SMTP", "4.6.0 4.7.0 4.7.1"
    ),
    _plugin("classic-editor/classic-editor.php", "Classic Editor", "WordPress", "1.6.6 1.6.7"),
    _plugin("duplicate-post/duplicate-post.php", "Yoast Duplicate Post", "Yoast", "4.5 4.6"),
    _plugin(
        "limit-login-attempts-reloaded/limit-login-attempts-reloaded.php",
        "Limit Login Attempts Reloaded",
        "Limit Login Attempts",
        "2.26.25 2.26.26 2.26.27",
    ),
    _plugin("complianz-gdpr/complianz-gpdr.php", "Complianz", "Complianz", "7.4.3 7.4.4.2"),
    _plugin("wp-optimize/wp-optimize.php", "WP-Optimize", "TeamUpdraft", "4.3.1 4.4.0"),
    _plugin("ewww-image-optimizer/ewww-image-optimizer.php", "EWWW Image Optimizer",
            "Exactly WWW", "8.3.0 8.3.1", "8.1"),
    _plugin("the-events-calendar/the-events-calendar.php", "The Events Calendar",
            "The Events Calendar", "6.15.12 6.15.13 6.16.0"),
    _plugin("tablepress/tablepress.php", "TablePress", "Tobias Bäthge", "3.2.5 3.2.6", "7.2"),
    _plugin("ninja-forms/ninja-forms.php", "Ninja Forms", "Saturday Drive", "3.13.2 3.13.4"),
    _plugin("polylang/polylang.php", "Polylang", "WP SYNTEX", "3.7.5 3.7.6 3.8"),
    _plugin("wps-hide-login/wps-hide-login.php", "WPS Hide Login", "WPServeur", "1.9.17.3 1.9.18"),
    _plugin("better-search-replace/better-search-replace.php", "Better Search Replace",
            "WP Engine", "1.4.9 1.4.10"),
    _plugin("regenerate-thumbnails/regenerate-thumbnails.php", "Regenerate Thumbnails",
            "Alex Mills", "3.1.5 3.1.6"),
    _plugin("safe-svg/safe-svg.php", "Safe SVG", "10up", "2.4.0 2.4.1"),
    _plugin("seo-by-rank-math/rank-math.php", "Rank Math SEO", "Rank Math", "1.0.257 1.0.260"),
    _plugin("broken-link-checker/broken-link-checker.php", "Broken Link Checker", "WPMU DEV",
            "2.4.6 2.4.7"),
    _plugin("instagram-feed/instagram-feed.php", "Smash Balloon Instagram Feed", "Smash Balloon",
            "6.9.1 6.10.0"),
    _plugin("smart-slider-3/smart-slider-3.php", "Smart Slider 3", "Nextend", "3.5.1.30 3.5.1.32"),
    _plugin("amelia-booking/ameliabooking.php", "Amelia", "TMS", "1.2.36 1.2.38 2.0.0"),
    _plugin("query-monitor/query-monitor.php", "Query Monitor", "John Blackbourn", "3.20.1 3.20.2"),
)  # fmt: skip
PLUGINS = (*COMMON, *SHOP, *OTHERS)

THEMES = (
    Theme("twentytwentyfive", "Twenty Twenty-Five", "WordPress", ("1.3", "1.4")),
    Theme("astra", "Astra", "Brainstorm Force", ("4.11.16", "4.11.18")),
    Theme("kadence", "Kadence", "Kadence WP", ("1.4.1", "1.4.2")),
    Theme("generatepress", "GeneratePress", "Tom Usborne", ("3.6.0", "3.6.1")),
)

# (version, weight); the first one is the newest.
WORDPRESS = (("7.1.2", 34), ("7.1.1", 10), ("6.9.4", 8), ("6.8.3", 4), ("6.7.2", 3), ("6.4.7", 1))
PHP = (("8.3.27", 26), ("8.4.14", 12), ("8.2.29", 12), ("8.1.33", 5), ("7.4.33", 4), ("8.0.30", 1))
SERVERS = ("nginx/1.26", "Apache/2.4", "LiteSpeed")
LOCALES = ("en_US", "en_GB", "en_US", "de_DE")

# The client in the first place approves updates itself, the second one asks for two people.
CLIENTS = (
    Client(
        "Lakeside Dental Group",
        ("care plan", "booking"),
        ("Lakeside Dental", "Brightsmile Kids Dentistry", "Lakeside Orthodontics"),
        approvals="client",
        contact="Priya Shah",
    ),
    Client(
        "Northgate Legal",
        ("critical", "care plan"),
        ("Northgate Solicitors", "Northgate Family Law", "Will & Probate Advice"),
        approvals="second",
        contact="Marcus Bell",
    ),
    Client(
        "Harbor & Pine Hospitality",
        ("booking", "critical"),
        ("Harbor Inn", "Pine Street Café", "The Boathouse Kitchen", "Harbor Weddings",
         "Pine Lodge Cabins"),
        contact="Leo Marchetti",
    ),
    Client(
        "Wilder Outdoor Co.",
        ("shop", "critical", "care plan"),
        ("Wilder Outdoor", "Wilder Rentals", "Trail Notes Magazine", "Wilder Trade"),
        contact="Hannah Wilder",
    ),
    Client(
        "Meadow Bakery",
        ("shop", "care plan"),
        ("Meadow Bakery", "Meadow Catering", "Sourdough School", "Meadow Wholesale"),
        contact="Sofie Meadows",
    ),
    Client(
        "Castell Architects",
        ("portfolio",),
        ("Castell Architects", "Castell Interiors", "Studio Castell Journal", "Castell Careers"),
        contact="Jordi Castell",
    ),
    Client(
        "Brightwater Property",
        ("care plan", "leads"),
        ("Brightwater Homes", "Brightwater Lettings", "Quayside Apartments",
         "Brightwater Investors", "Mill Lane Offices"),
        contact="Amelia Stone",
    ),
    Client(
        "Green Valley Foundation",
        ("nonprofit",),
        ("Green Valley Foundation", "Rewild the Valley", "Valley Volunteers",
         "Green Valley Schools", "Valley Seed Fund"),
        contact="Grace Otieno",
    ),
    Client(
        "Ironbridge Fitness",
        ("booking", "care plan"),
        ("Ironbridge Fitness", "Ironbridge Climbing", "Ironbridge Physio", "Run Ironbridge"),
        contact="Callum Reid",
    ),
    Client(
        "Atlas Logistics",
        ("corporate", "critical"),
        ("Atlas Logistics", "Atlas Careers", "Atlas Cold Chain", "Atlas Customer Help",
         "Atlas Newsroom"),
        contact="Viktor Lang",
    ),
    Client(
        "Juniper & Sage",
        ("shop",),
        ("Juniper & Sage", "Juniper Gift Boxes", "The Herb Journal", "Juniper Workshops"),
        contact="June Abbott",
    ),
    Client(
        "Old Mill Theatre",
        ("events", "nonprofit"),
        ("Old Mill Theatre", "Old Mill Youth Theatre", "Mill Lane Film Club", "Old Mill Friends"),
        contact="Beatrix Hale",
    ),
    Client(
        "Kestrel Software",
        ("corporate", "leads"),
        ("Kestrel Software", "Kestrel Docs", "Kestrel Engineering Blog", "Kestrel Events",
         "Kestrel Status Notes"),
        contact="Dev Anand",
    ),
    Client(
        "Bluebell Nursery Schools",
        ("care plan",),
        ("Bluebell Nursery", "Bluebell Riverside", "Bluebell Parents", "Bluebell Forest School",
         "Bluebell Recruitment"),
        contact="Molly Pearce",
    ),
)  # fmt: skip

# Fleets of more sites than there are names above have branches in these towns.
TOWNS = (
    *("Aberdeen", "Bath", "Cardiff", "Derby", "Exeter", "Falmouth", "Glasgow", "Hereford"),
    *("Ipswich", "Kendal", "Leeds", "Margate", "Norwich", "Oxford", "Penzance", "Rugby"),
    *("Stirling", "Truro", "Whitby", "York"),
)

IGNORED_BECAUSE = (
    "Waiting for the vendor's fix of the checkout problem",
    "The client's developer tests this release first",
    "Breaks the booking form, ticket open with the vendor",
    "License renewal pending",
)
LOOKED_INTO = (
    "Front page and contact form checked, all fine",
    "Reported to the vendor, will try the next release",
    "Restored the plugin by SFTP, shop checked with a test order",
    "Memory limit raised by the host, site checked",
)
SITE_NOTES = (
    "Hosting login is in the vault under the domain name. Backups run at 04:00.",
    "Checkout test: order the voucher product with the code TEST100.",
    "Child theme with changes in single.php, see the repository. Never update on Fridays.",
    "The booking form posts to the client's calendar. Check one booking after each update.",
)
CLIENT_NOTES = (
    "Care plan renewed until June. Invoices go to accounts@ the client's domain.",
    "Prefers a call before major updates. Closed on Mondays.",
    "New website planned for spring, keep changes small until then.",
)
PROPOSED_BECAUSE = (
    "Monthly care plan",
    "Security release",
    "Fixes the checkout bug the client reported",
    "Weekly maintenance",
    "",
)
