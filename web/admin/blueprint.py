"""Assembles the web admin: its parts, the guard before each request, and what all templates can use."""

from datetime import UTC, datetime

from quart import Blueprint, g

from store import Store
from web import VERSION
from web.admin import presenting
from web.admin.accept import accept_pages
from web.admin.account import account_pages
from web.admin.activity import activity_pages
from web.admin.adherence import Adherences
from web.admin.audit import audit_pages
from web.admin.cards import card_pages
from web.admin.context import AdminContext
from web.admin.cookies import Cookies
from web.admin.find import find_pages
from web.admin.grants import grant_pages
from web.admin.guests import Tickets
from web.admin.handoffs import handoff_pages
from web.admin.home import home_pages
from web.admin.insights import insight_pages
from web.admin.invites import invite_pages
from web.admin.leases import lease_pages
from web.admin.live import live_pages
from web.admin.member_pages import member_pages
from web.admin.members import member_forms
from web.admin.now import now_pages
from web.admin.numbers import number_pages
from web.admin.oauth import oauth_pages
from web.admin.operator import operator_pages
from web.admin.participants import participant_pages
from web.admin.posts import post_pages
from web.admin.project_settings import setting_pages
from web.admin.projects import project_pages
from web.admin.providers import ProvidersOf, providers_of
from web.admin.revoking import revoking_pages
from web.admin.sign_in import sign_in_pages
from web.admin.tasks import task_pages
from web.admin.visitor import PREFIX, current_csrf, current_session, guard
from web.admin.webhook import webhook_pages
from web.config import Settings
from web.metrics import Metrics
from web.services import Services

PARTS = (
    sign_in_pages,
    oauth_pages,
    accept_pages,
    account_pages,
    operator_pages,
    home_pages,
    find_pages,
    project_pages,
    setting_pages,
    webhook_pages,
    grant_pages,
    card_pages,
    member_pages,
    member_forms,
    revoking_pages,
    participant_pages,
    invite_pages,
    activity_pages,
    live_pages,
    now_pages,
    task_pages,
    handoff_pages,
    lease_pages,
    number_pages,
    insight_pages,
    post_pages,
    audit_pages,
)


def admin(
    services: Services, store: Store, settings: Settings, metrics: Metrics, providers: ProvidersOf = providers_of
) -> Blueprint:
    """All routes below `/admin`. `settings` are bound."""
    context = AdminContext(
        services=services,
        store=store,
        settings=settings,
        cookies=Cookies(services.public_url),
        tickets=Tickets(settings),
        providers=providers(settings),
        metrics=metrics,
        adherences=Adherences(store),
    )
    pages = Blueprint("admin", __name__, url_prefix=PREFIX, template_folder="templates", static_folder="static")
    pages.before_app_request(guard(context))
    presenting.register(pages)

    @pages.app_context_processor
    def known_everywhere() -> dict[str, object]:
        session = current_session()
        return {
            "owner": session and session.owner,
            "csrf": current_csrf(),
            "public_url": services.public_url,
            "version": VERSION,
            "now": datetime.now(UTC),
            "live": g.get("live"),
        }

    for part in PARTS:
        pages.register_blueprint(part(context))
    return pages
