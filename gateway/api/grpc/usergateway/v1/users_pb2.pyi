from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class View(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIEW_UNSPECIFIED: _ClassVar[View]
    VIEW_BASIC: _ClassVar[View]
    VIEW_FULL: _ClassVar[View]

class UserSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_SOURCE_UNSPECIFIED: _ClassVar[UserSource]
    USER_SOURCE_ACCOUNT: _ClassVar[UserSource]
    USER_SOURCE_SOFTWAREONE: _ClassVar[UserSource]
    USER_SOURCE_RESELLER: _ClassVar[UserSource]

class UserStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_STATUS_UNSPECIFIED: _ClassVar[UserStatus]
    USER_STATUS_NEW: _ClassVar[UserStatus]
    USER_STATUS_INVITED: _ClassVar[UserStatus]
    USER_STATUS_INVITATION_EXPIRED: _ClassVar[UserStatus]
    USER_STATUS_ACTIVE: _ClassVar[UserStatus]
    USER_STATUS_BLOCKED: _ClassVar[UserStatus]
    USER_STATUS_DISABLED: _ClassVar[UserStatus]
    USER_STATUS_REMOVED: _ClassVar[UserStatus]

class RoleType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_TYPE_UNSPECIFIED: _ClassVar[RoleType]
    ROLE_TYPE_ADMIN: _ClassVar[RoleType]
    ROLE_TYPE_USER: _ClassVar[RoleType]
    ROLE_TYPE_SCANNER: _ClassVar[RoleType]
    ROLE_TYPE_SALES_REP: _ClassVar[RoleType]
    ROLE_TYPE_AGENT: _ClassVar[RoleType]

class OwnerType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OWNER_TYPE_UNSPECIFIED: _ClassVar[OwnerType]
    OWNER_TYPE_SYSTEM: _ClassVar[OwnerType]
    OWNER_TYPE_ACCOUNT: _ClassVar[OwnerType]

class NotificationType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_TYPE_UNSPECIFIED: _ClassVar[NotificationType]
    NOTIFICATION_TYPE_INVOICE: _ClassVar[NotificationType]
    NOTIFICATION_TYPE_ORDER_ACKNOWLEDGEMENT: _ClassVar[NotificationType]
    NOTIFICATION_TYPE_PURCHASE_ORDER_SUBMISSION: _ClassVar[NotificationType]

class UserChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_CHANGE_UNSPECIFIED: _ClassVar[UserChange]
    USER_CHANGE_CREATED: _ClassVar[UserChange]
    USER_CHANGE_UPDATED: _ClassVar[UserChange]
    USER_CHANGE_DELETED: _ClassVar[UserChange]
VIEW_UNSPECIFIED: View
VIEW_BASIC: View
VIEW_FULL: View
USER_SOURCE_UNSPECIFIED: UserSource
USER_SOURCE_ACCOUNT: UserSource
USER_SOURCE_SOFTWAREONE: UserSource
USER_SOURCE_RESELLER: UserSource
USER_STATUS_UNSPECIFIED: UserStatus
USER_STATUS_NEW: UserStatus
USER_STATUS_INVITED: UserStatus
USER_STATUS_INVITATION_EXPIRED: UserStatus
USER_STATUS_ACTIVE: UserStatus
USER_STATUS_BLOCKED: UserStatus
USER_STATUS_DISABLED: UserStatus
USER_STATUS_REMOVED: UserStatus
ROLE_TYPE_UNSPECIFIED: RoleType
ROLE_TYPE_ADMIN: RoleType
ROLE_TYPE_USER: RoleType
ROLE_TYPE_SCANNER: RoleType
ROLE_TYPE_SALES_REP: RoleType
ROLE_TYPE_AGENT: RoleType
OWNER_TYPE_UNSPECIFIED: OwnerType
OWNER_TYPE_SYSTEM: OwnerType
OWNER_TYPE_ACCOUNT: OwnerType
NOTIFICATION_TYPE_UNSPECIFIED: NotificationType
NOTIFICATION_TYPE_INVOICE: NotificationType
NOTIFICATION_TYPE_ORDER_ACKNOWLEDGEMENT: NotificationType
NOTIFICATION_TYPE_PURCHASE_ORDER_SUBMISSION: NotificationType
USER_CHANGE_UNSPECIFIED: UserChange
USER_CHANGE_CREATED: UserChange
USER_CHANGE_UPDATED: UserChange
USER_CHANGE_DELETED: UserChange

class GetUserRequest(_message.Message):
    __slots__ = ("id", "source", "view", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: UserSource
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., source: _Optional[_Union[UserSource, str]] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UserFilter(_message.Message):
    __slots__ = ("sources", "search", "email", "role_type", "include_removed", "reseller_id")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ROLE_TYPE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REMOVED_FIELD_NUMBER: _ClassVar[int]
    RESELLER_ID_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedScalarFieldContainer[UserSource]
    search: str
    email: str
    role_type: RoleType
    include_removed: bool
    reseller_id: str
    def __init__(self, sources: _Optional[_Iterable[_Union[UserSource, str]]] = ..., search: _Optional[str] = ..., email: _Optional[str] = ..., role_type: _Optional[_Union[RoleType, str]] = ..., include_removed: _Optional[bool] = ..., reseller_id: _Optional[str] = ...) -> None: ...

class ListUsersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "view", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: UserFilter
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[UserFilter, _Mapping]] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListUsersResponse(_message.Message):
    __slots__ = ("users", "next_page_token", "unavailable", "partial_errors")
    USERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    next_page_token: str
    unavailable: _containers.RepeatedCompositeFieldContainer[SourceError]
    partial_errors: _containers.RepeatedCompositeFieldContainer[PartialError]
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., unavailable: _Optional[_Iterable[_Union[SourceError, _Mapping]]] = ..., partial_errors: _Optional[_Iterable[_Union[PartialError, _Mapping]]] = ...) -> None: ...

class FindPersonRequest(_message.Message):
    __slots__ = ("email", "view", "read_mask")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    email: str
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, email: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("email", "users", "unavailable", "partial_errors")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    email: str
    users: _containers.RepeatedCompositeFieldContainer[User]
    unavailable: _containers.RepeatedCompositeFieldContainer[SourceError]
    partial_errors: _containers.RepeatedCompositeFieldContainer[PartialError]
    def __init__(self, email: _Optional[str] = ..., users: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., unavailable: _Optional[_Iterable[_Union[SourceError, _Mapping]]] = ..., partial_errors: _Optional[_Iterable[_Union[PartialError, _Mapping]]] = ...) -> None: ...

class SourceError(_message.Message):
    __slots__ = ("source", "code", "message", "retry_after")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    source: UserSource
    code: str
    message: str
    retry_after: float
    def __init__(self, source: _Optional[_Union[UserSource, str]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[float] = ...) -> None: ...

class PartialError(_message.Message):
    __slots__ = ("status", "paths")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    status: _status_pb2.Status
    paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., paths: _Optional[_Iterable[str]] = ...) -> None: ...

class PartialErrors(_message.Message):
    __slots__ = ("errors", "omitted")
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    OMITTED_FIELD_NUMBER: _ClassVar[int]
    errors: _containers.RepeatedCompositeFieldContainer[PartialError]
    omitted: int
    def __init__(self, errors: _Optional[_Iterable[_Union[PartialError, _Mapping]]] = ..., omitted: _Optional[int] = ...) -> None: ...

class NotificationPreference(_message.Message):
    __slots__ = ("notification_type", "enabled")
    NOTIFICATION_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    notification_type: NotificationType
    enabled: bool
    def __init__(self, notification_type: _Optional[_Union[NotificationType, str]] = ..., enabled: _Optional[bool] = ...) -> None: ...

class NewAccountUser(_message.Message):
    __slots__ = ("name", "email", "username", "password", "role_id", "department_id", "preferences")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ROLE_ID_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    username: str
    password: str
    role_id: str
    department_id: str
    preferences: _containers.RepeatedCompositeFieldContainer[NotificationPreference]
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., role_id: _Optional[str] = ..., department_id: _Optional[str] = ..., preferences: _Optional[_Iterable[_Union[NotificationPreference, _Mapping]]] = ...) -> None: ...

class CreateAccountUserRequest(_message.Message):
    __slots__ = ("user", "request_id", "view", "read_mask")
    USER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    user: NewAccountUser
    request_id: str
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, user: _Optional[_Union[NewAccountUser, _Mapping]] = ..., request_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class AccountUserChange(_message.Message):
    __slots__ = ("name", "email", "username", "role_id", "department_id", "preferences")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_ID_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    username: str
    role_id: str
    department_id: str
    preferences: _containers.RepeatedCompositeFieldContainer[NotificationPreference]
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., username: _Optional[str] = ..., role_id: _Optional[str] = ..., department_id: _Optional[str] = ..., preferences: _Optional[_Iterable[_Union[NotificationPreference, _Mapping]]] = ...) -> None: ...

class UpdateAccountUserRequest(_message.Message):
    __slots__ = ("id", "user", "update_mask", "request_id", "view", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: AccountUserChange
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., user: _Optional[_Union[AccountUserChange, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class Icon(_message.Message):
    __slots__ = ("content", "filename", "content_type")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    filename: str
    content_type: str
    def __init__(self, content: _Optional[bytes] = ..., filename: _Optional[str] = ..., content_type: _Optional[str] = ...) -> None: ...

class SoftwareOneUserChange(_message.Message):
    __slots__ = ("first_name", "last_name", "email", "phone", "settings", "current_account_id", "icon")
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    first_name: str
    last_name: str
    email: str
    phone: PhoneNumber
    settings: UserSettings
    current_account_id: str
    icon: Icon
    def __init__(self, first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., email: _Optional[str] = ..., phone: _Optional[_Union[PhoneNumber, _Mapping]] = ..., settings: _Optional[_Union[UserSettings, _Mapping]] = ..., current_account_id: _Optional[str] = ..., icon: _Optional[_Union[Icon, _Mapping]] = ...) -> None: ...

class UpdateSoftwareOneUserRequest(_message.Message):
    __slots__ = ("id", "user", "update_mask", "request_id", "view", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: SoftwareOneUserChange
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., user: _Optional[_Union[SoftwareOneUserChange, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ResellerUserChange(_message.Message):
    __slots__ = ("first_name", "last_name", "email", "role", "company", "organization_id", "allow_customer_portal_access")
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    COMPANY_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_CUSTOMER_PORTAL_ACCESS_FIELD_NUMBER: _ClassVar[int]
    first_name: str
    last_name: str
    email: str
    role: str
    company: str
    organization_id: str
    allow_customer_portal_access: bool
    def __init__(self, first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., email: _Optional[str] = ..., role: _Optional[str] = ..., company: _Optional[str] = ..., organization_id: _Optional[str] = ..., allow_customer_portal_access: _Optional[bool] = ...) -> None: ...

class UpdateResellerUserRequest(_message.Message):
    __slots__ = ("id", "user", "update_mask", "request_id", "reseller_id", "view", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESELLER_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: ResellerUserChange
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    reseller_id: str
    view: View
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., user: _Optional[_Union[ResellerUserChange, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., reseller_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRoleRequest(_message.Message):
    __slots__ = ("id", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRolesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "search", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    search: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., search: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRolesResponse(_message.Message):
    __slots__ = ("roles", "next_page_token", "partial_errors")
    ROLES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedCompositeFieldContainer[Role]
    next_page_token: str
    partial_errors: _containers.RepeatedCompositeFieldContainer[PartialError]
    def __init__(self, roles: _Optional[_Iterable[_Union[Role, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial_errors: _Optional[_Iterable[_Union[PartialError, _Mapping]]] = ...) -> None: ...

class GetDepartmentRequest(_message.Message):
    __slots__ = ("id", "read_mask")
    ID_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    id: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, id: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListDepartmentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "search", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    search: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., search: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListDepartmentsResponse(_message.Message):
    __slots__ = ("departments", "next_page_token", "partial_errors")
    DEPARTMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    departments: _containers.RepeatedCompositeFieldContainer[Department]
    next_page_token: str
    partial_errors: _containers.RepeatedCompositeFieldContainer[PartialError]
    def __init__(self, departments: _Optional[_Iterable[_Union[Department, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial_errors: _Optional[_Iterable[_Union[PartialError, _Mapping]]] = ...) -> None: ...

class WatchUsersRequest(_message.Message):
    __slots__ = ("ids", "sources", "resume_token")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    sources: _containers.RepeatedScalarFieldContainer[UserSource]
    resume_token: str
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., sources: _Optional[_Iterable[_Union[UserSource, str]]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class UserEvent(_message.Message):
    __slots__ = ("change", "user", "occurred_at", "resume_token")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    change: UserChange
    user: User
    occurred_at: str
    resume_token: str
    def __init__(self, change: _Optional[_Union[UserChange, str]] = ..., user: _Optional[_Union[User, _Mapping]] = ..., occurred_at: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("id", "source", "source_id", "name", "first_name", "last_name", "email", "email_verified_at", "username", "image_url", "phone", "status", "source_status", "role", "department", "organization", "company", "accounts", "current_account", "settings", "two_factor_enabled", "google_sso_enabled", "last_active_at", "invitation_accepted_at", "created_at", "updated_at", "created_by", "updated_by", "omitted_fields", "platform_user")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EMAIL_VERIFIED_AT_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_STATUS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    COMPANY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    TWO_FACTOR_ENABLED_FIELD_NUMBER: _ClassVar[int]
    GOOGLE_SSO_ENABLED_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    INVITATION_ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    OMITTED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_USER_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: UserSource
    source_id: str
    name: str
    first_name: str
    last_name: str
    email: str
    email_verified_at: str
    username: str
    image_url: str
    phone: PhoneNumber
    status: UserStatus
    source_status: str
    role: Role
    department: Department
    organization: Organization
    company: str
    accounts: MarketplaceAccountList
    current_account: MarketplaceAccount
    settings: UserSettings
    two_factor_enabled: bool
    google_sso_enabled: bool
    last_active_at: str
    invitation_accepted_at: str
    created_at: str
    updated_at: str
    created_by: Actor
    updated_by: Actor
    omitted_fields: _containers.RepeatedScalarFieldContainer[str]
    platform_user: PlatformUser
    def __init__(self, id: _Optional[str] = ..., source: _Optional[_Union[UserSource, str]] = ..., source_id: _Optional[str] = ..., name: _Optional[str] = ..., first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., email: _Optional[str] = ..., email_verified_at: _Optional[str] = ..., username: _Optional[str] = ..., image_url: _Optional[str] = ..., phone: _Optional[_Union[PhoneNumber, _Mapping]] = ..., status: _Optional[_Union[UserStatus, str]] = ..., source_status: _Optional[str] = ..., role: _Optional[_Union[Role, _Mapping]] = ..., department: _Optional[_Union[Department, _Mapping]] = ..., organization: _Optional[_Union[Organization, _Mapping]] = ..., company: _Optional[str] = ..., accounts: _Optional[_Union[MarketplaceAccountList, _Mapping]] = ..., current_account: _Optional[_Union[MarketplaceAccount, _Mapping]] = ..., settings: _Optional[_Union[UserSettings, _Mapping]] = ..., two_factor_enabled: _Optional[bool] = ..., google_sso_enabled: _Optional[bool] = ..., last_active_at: _Optional[str] = ..., invitation_accepted_at: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., created_by: _Optional[_Union[Actor, _Mapping]] = ..., updated_by: _Optional[_Union[Actor, _Mapping]] = ..., omitted_fields: _Optional[_Iterable[str]] = ..., platform_user: _Optional[_Union[PlatformUser, _Mapping]] = ...) -> None: ...

class PlatformUser(_message.Message):
    __slots__ = ("source_id", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class PhoneNumber(_message.Message):
    __slots__ = ("prefix", "number")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    number: str
    def __init__(self, prefix: _Optional[str] = ..., number: _Optional[str] = ...) -> None: ...

class UserSettings(_message.Message):
    __slots__ = ("culture_code", "language_code")
    CULTURE_CODE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    culture_code: str
    language_code: str
    def __init__(self, culture_code: _Optional[str] = ..., language_code: _Optional[str] = ...) -> None: ...

class Actor(_message.Message):
    __slots__ = ("source_id", "name", "image_url", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    image_url: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., image_url: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class MarketplaceAccount(_message.Message):
    __slots__ = ("source_id", "name", "type", "status", "image_url", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    type: str
    status: str
    image_url: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., status: _Optional[str] = ..., image_url: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class MarketplaceAccountList(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[MarketplaceAccount]
    def __init__(self, nodes: _Optional[_Iterable[_Union[MarketplaceAccount, _Mapping]]] = ...) -> None: ...

class Role(_message.Message):
    __slots__ = ("id", "source", "source_id", "name", "type", "source_type", "owner", "permissions", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: UserSource
    source_id: str
    name: str
    type: RoleType
    source_type: str
    owner: RoleOwner
    permissions: PermissionList
    created_at: str
    updated_at: str
    def __init__(self, id: _Optional[str] = ..., source: _Optional[_Union[UserSource, str]] = ..., source_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[RoleType, str]] = ..., source_type: _Optional[str] = ..., owner: _Optional[_Union[RoleOwner, _Mapping]] = ..., permissions: _Optional[_Union[PermissionList, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...

class PermissionList(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class RoleOwner(_message.Message):
    __slots__ = ("type", "account")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    type: OwnerType
    account: Account
    def __init__(self, type: _Optional[_Union[OwnerType, str]] = ..., account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("source_id", "name", "default_billing_address", "default_shipping_address", "branding", "portal", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_BILLING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SHIPPING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BRANDING_FIELD_NUMBER: _ClassVar[int]
    PORTAL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    default_billing_address: Address
    default_shipping_address: Address
    branding: Branding
    portal: Portal
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., default_billing_address: _Optional[_Union[Address, _Mapping]] = ..., default_shipping_address: _Optional[_Union[Address, _Mapping]] = ..., branding: _Optional[_Union[Branding, _Mapping]] = ..., portal: _Optional[_Union[Portal, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("source_id", "name", "phone", "email", "is_drop_ship", "geolocation", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    IS_DROP_SHIP_FIELD_NUMBER: _ClassVar[int]
    GEOLOCATION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    phone: str
    email: str
    is_drop_ship: bool
    geolocation: Geolocation
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., phone: _Optional[str] = ..., email: _Optional[str] = ..., is_drop_ship: _Optional[bool] = ..., geolocation: _Optional[_Union[Geolocation, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Geolocation(_message.Message):
    __slots__ = ("source_id", "street_line1", "street_line2", "locality", "state", "postal_code", "country", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    STREET_LINE1_FIELD_NUMBER: _ClassVar[int]
    STREET_LINE2_FIELD_NUMBER: _ClassVar[int]
    LOCALITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    street_line1: str
    street_line2: str
    locality: str
    state: str
    postal_code: str
    country: str
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., street_line1: _Optional[str] = ..., street_line2: _Optional[str] = ..., locality: _Optional[str] = ..., state: _Optional[str] = ..., postal_code: _Optional[str] = ..., country: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Branding(_message.Message):
    __slots__ = ("source_id", "support_email", "phone_number", "logo_url", "facebook_handle", "instagram_handle", "linkedin_handle", "twitter_handle", "website_url", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOGO_URL_FIELD_NUMBER: _ClassVar[int]
    FACEBOOK_HANDLE_FIELD_NUMBER: _ClassVar[int]
    INSTAGRAM_HANDLE_FIELD_NUMBER: _ClassVar[int]
    LINKEDIN_HANDLE_FIELD_NUMBER: _ClassVar[int]
    TWITTER_HANDLE_FIELD_NUMBER: _ClassVar[int]
    WEBSITE_URL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    support_email: str
    phone_number: str
    logo_url: str
    facebook_handle: str
    instagram_handle: str
    linkedin_handle: str
    twitter_handle: str
    website_url: str
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., support_email: _Optional[str] = ..., phone_number: _Optional[str] = ..., logo_url: _Optional[str] = ..., facebook_handle: _Optional[str] = ..., instagram_handle: _Optional[str] = ..., linkedin_handle: _Optional[str] = ..., twitter_handle: _Optional[str] = ..., website_url: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Portal(_message.Message):
    __slots__ = ("source_id", "slug", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    slug: str
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., slug: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Department(_message.Message):
    __slots__ = ("id", "source_id", "name", "notes", "location", "scanning_stations", "machines", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    SCANNING_STATIONS_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    source_id: str
    name: str
    notes: str
    location: Location
    scanning_stations: ScanningStationConnection
    machines: MachineConnection
    created_at: str
    updated_at: str
    def __init__(self, id: _Optional[str] = ..., source_id: _Optional[str] = ..., name: _Optional[str] = ..., notes: _Optional[str] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., scanning_stations: _Optional[_Union[ScanningStationConnection, _Mapping]] = ..., machines: _Optional[_Union[MachineConnection, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("source_id", "name", "type", "parent", "children", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    type: str
    parent: Location
    children: LocationConnection
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., parent: _Optional[_Union[Location, _Mapping]] = ..., children: _Optional[_Union[LocationConnection, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class PageInfo(_message.Message):
    __slots__ = ("has_next_page", "has_previous_page", "next_cursor", "previous_cursor")
    HAS_NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    HAS_PREVIOUS_PAGE_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CURSOR_FIELD_NUMBER: _ClassVar[int]
    has_next_page: bool
    has_previous_page: bool
    next_cursor: str
    previous_cursor: str
    def __init__(self, has_next_page: _Optional[bool] = ..., has_previous_page: _Optional[bool] = ..., next_cursor: _Optional[str] = ..., previous_cursor: _Optional[str] = ...) -> None: ...

class LocationConnection(_message.Message):
    __slots__ = ("nodes", "page_info")
    NODES_FIELD_NUMBER: _ClassVar[int]
    PAGE_INFO_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Location]
    page_info: PageInfo
    def __init__(self, nodes: _Optional[_Iterable[_Union[Location, _Mapping]]] = ..., page_info: _Optional[_Union[PageInfo, _Mapping]] = ...) -> None: ...

class ScanningStation(_message.Message):
    __slots__ = ("source_id", "name", "notes", "type", "label_size", "label_type", "material_check_required", "department", "production_steps", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LABEL_SIZE_FIELD_NUMBER: _ClassVar[int]
    LABEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MATERIAL_CHECK_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    PRODUCTION_STEPS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    notes: str
    type: str
    label_size: str
    label_type: str
    material_check_required: bool
    department: Department
    production_steps: ProductionStepConnection
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., notes: _Optional[str] = ..., type: _Optional[str] = ..., label_size: _Optional[str] = ..., label_type: _Optional[str] = ..., material_check_required: _Optional[bool] = ..., department: _Optional[_Union[Department, _Mapping]] = ..., production_steps: _Optional[_Union[ProductionStepConnection, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class ScanningStationConnection(_message.Message):
    __slots__ = ("nodes", "page_info")
    NODES_FIELD_NUMBER: _ClassVar[int]
    PAGE_INFO_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[ScanningStation]
    page_info: PageInfo
    def __init__(self, nodes: _Optional[_Iterable[_Union[ScanningStation, _Mapping]]] = ..., page_info: _Optional[_Union[PageInfo, _Mapping]] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ("source_id", "name", "serial_number", "notes", "department", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    serial_number: str
    notes: str
    department: Department
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., serial_number: _Optional[str] = ..., notes: _Optional[str] = ..., department: _Optional[_Union[Department, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class MachineConnection(_message.Message):
    __slots__ = ("nodes", "page_info")
    NODES_FIELD_NUMBER: _ClassVar[int]
    PAGE_INFO_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Machine]
    page_info: PageInfo
    def __init__(self, nodes: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ..., page_info: _Optional[_Union[PageInfo, _Mapping]] = ...) -> None: ...

class MachineList(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Machine]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ...) -> None: ...

class ProductionStep(_message.Message):
    __slots__ = ("source_id", "name", "notes", "leveling_factor", "allowances", "labor_rate", "labor_time", "overhead_rate", "production", "consumptions", "machines", "scanning_station", "in_steps", "out_steps", "department", "created_at", "updated_at", "id")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    LEVELING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCES_FIELD_NUMBER: _ClassVar[int]
    LABOR_RATE_FIELD_NUMBER: _ClassVar[int]
    LABOR_TIME_FIELD_NUMBER: _ClassVar[int]
    OVERHEAD_RATE_FIELD_NUMBER: _ClassVar[int]
    PRODUCTION_FIELD_NUMBER: _ClassVar[int]
    CONSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    SCANNING_STATION_FIELD_NUMBER: _ClassVar[int]
    IN_STEPS_FIELD_NUMBER: _ClassVar[int]
    OUT_STEPS_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    notes: str
    leveling_factor: str
    allowances: str
    labor_rate: _struct_pb2.Value
    labor_time: _struct_pb2.Value
    overhead_rate: _struct_pb2.Value
    production: _struct_pb2.Value
    consumptions: _struct_pb2.Value
    machines: MachineList
    scanning_station: ScanningStation
    in_steps: ProductionStepList
    out_steps: ProductionStepList
    department: Department
    created_at: str
    updated_at: str
    id: str
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., notes: _Optional[str] = ..., leveling_factor: _Optional[str] = ..., allowances: _Optional[str] = ..., labor_rate: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., labor_time: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., overhead_rate: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., production: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., consumptions: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., machines: _Optional[_Union[MachineList, _Mapping]] = ..., scanning_station: _Optional[_Union[ScanningStation, _Mapping]] = ..., in_steps: _Optional[_Union[ProductionStepList, _Mapping]] = ..., out_steps: _Optional[_Union[ProductionStepList, _Mapping]] = ..., department: _Optional[_Union[Department, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class ProductionStepConnection(_message.Message):
    __slots__ = ("nodes", "page_info")
    NODES_FIELD_NUMBER: _ClassVar[int]
    PAGE_INFO_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[ProductionStep]
    page_info: PageInfo
    def __init__(self, nodes: _Optional[_Iterable[_Union[ProductionStep, _Mapping]]] = ..., page_info: _Optional[_Union[PageInfo, _Mapping]] = ...) -> None: ...

class ProductionStepList(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[ProductionStep]
    def __init__(self, nodes: _Optional[_Iterable[_Union[ProductionStep, _Mapping]]] = ...) -> None: ...

class Organization(_message.Message):
    __slots__ = ("id", "source_id", "name", "email", "description", "allowed_users", "address", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_USERS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    source_id: str
    name: str
    email: str
    description: str
    allowed_users: int
    address: PostalAddress
    created_at: str
    updated_at: str
    def __init__(self, id: _Optional[str] = ..., source_id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., description: _Optional[str] = ..., allowed_users: _Optional[int] = ..., address: _Optional[_Union[PostalAddress, _Mapping]] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...

class PostalAddress(_message.Message):
    __slots__ = ("address_line1", "address_line2", "city", "state", "country", "postal_code")
    ADDRESS_LINE1_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_LINE2_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    address_line1: str
    address_line2: str
    city: str
    state: str
    country: str
    postal_code: str
    def __init__(self, address_line1: _Optional[str] = ..., address_line2: _Optional[str] = ..., city: _Optional[str] = ..., state: _Optional[str] = ..., country: _Optional[str] = ..., postal_code: _Optional[str] = ...) -> None: ...
