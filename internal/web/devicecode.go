package web

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A person lets in a machine that has no browser (RFC 8628 section 3.3): he types
// the code that it shows, looks at what is asked for, and answers. A code in the
// address is filled in and never sent by itself: who follows a link must see what
// it leads to.

func (v *visit) showDevice() error { return v.devicePage(v.query["user_code"], nil) }

func (v *visit) devicePage(code string, wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "device", Title: "device_code.title", Account: account, Wrong: wrong, Again: fields{"user_code": code}})
}

func (v *visit) answerDevice() error {
	if v.form["user_code"] == "" {
		return v.devicePage("", wrongField("user_code", "mistake.user_code_missing"))
	}
	switch v.form["answer"] {
	case "":
		return v.findDevice()
	case "allow", "deny":
		return v.decideDevice(v.form["answer"] == "allow")
	}
	return refused(http.StatusBadRequest, "error.form")
}

func (v *visit) findDevice() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	found, err := ask[*propuskpb.DeviceRequest](v, propuskpb.DeviceService_Find_FullMethodName,
		&propuskpb.FindDeviceRequest{Session: v.session, UserCode: v.form["user_code"], Client: v.client()})
	if err != nil {
		return v.deviceTrouble(err)
	}
	return v.show(http.StatusOK, &page{Name: "device_consent", Title: "device_code.ask", Account: account, Data: deviceData{
		DeviceRequest: found, Shown: programData{found.GetProgram()}, Near: near(found.GetAddress(), v.address()),
		Lines: scopeLines(found.GetScopes(), found.GetFullAccess(), found.GetOffline()),
	}})
}

// near tells whether a device has asked from the address that a person has. One
// that is not unique in the world tells nothing: at a proxy that the server does
// not know of, or in a network of a provider, strangers have the same.
func near(device, person string) bool {
	a, err := netip.ParseAddr(device)
	if err != nil {
		return false
	}
	b, err := netip.ParseAddr(person)
	if err != nil || a.Unmap() != b.Unmap() {
		return false
	}
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedByProvider.Contains(a)
}

var sharedByProvider = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) // RFC 6598

// deviceData is what the page shows on which a person answers a device.
type deviceData struct {
	*propuskpb.DeviceRequest
	Shown programData
	Near  bool // it has asked from where the person is
	Lines []scopeLine
}

func (v *visit) decideDevice(allow bool) error {
	account, err := v.account() // before the answer: it counts once
	if err != nil {
		return err
	}
	_, err = ask[*propuskpb.DecideDeviceResponse](v, propuskpb.DeviceService_Decide_FullMethodName,
		&propuskpb.DecideDeviceRequest{Session: v.session, UserCode: v.form["user_code"], Allow: allow, Client: v.client()})
	if err != nil {
		return v.deviceTrouble(err)
	}
	title := "device_code.allowed"
	if !allow {
		title = "device_code.denied"
	}
	return v.show(http.StatusOK, &page{Name: "device_done", Title: title, Account: account, Data: allow})
}

// deviceTrouble shows the form again beside what is wrong with the code.
func (v *visit) deviceTrouble(err error) error {
	code := v.form["user_code"]
	switch {
	case errors.Is(err, iam.NotFound), errors.Is(err, iam.InvalidArgument):
		return v.devicePage(code, wrongField("user_code", "mistake.user_code"))
	case errors.Is(err, iam.PermissionDenied):
		return refused(http.StatusForbidden, "error.program_closed")
	}
	if wrong := v.explain(err); wrong != nil {
		return v.devicePage(code, wrong)
	}
	return err
}
