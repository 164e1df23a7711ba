"""Pictures of users: the URLs by which a browser loads them without a credential, and the route that serves them."""

from gateway.api.pictures.fetching import PictureFetcher
from gateway.api.pictures.links import PictureLinks
from gateway.api.pictures.route import pictures_route

__all__ = ["PictureFetcher", "PictureLinks", "pictures_route"]
